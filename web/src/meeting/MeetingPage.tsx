import { useParams } from "react-router";

export function MeetingPage() {
  const { code } = useParams();
  return <main>{code}</main>;
}
