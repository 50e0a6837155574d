export { Minutes } from "./Minutes.tsx";
