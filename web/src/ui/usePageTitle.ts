import { useEffect } from "react";
import { useBrand } from "./useBrand.ts";

export function usePageTitle(title: string): void {
  const name = useBrand().data?.name ?? "Meeting";
  useEffect(() => {
    document.title = `${title} · ${name}`;
  }, [title, name]);
}
