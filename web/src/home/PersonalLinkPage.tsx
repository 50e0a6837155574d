import { Anchor, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, Navigate, useParams } from "react-router";
import { Problem } from "../core/api/problem.ts";
import { useHub } from "../hub.ts";
import { Loading } from "../ui/Loading.tsx";
import { NotFound } from "../ui/NotFound.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";

/** /p/ada-lovelace: leads to somebody's instant meeting. */
export function PersonalLinkPage() {
  const { t } = useTranslation();
  const { handle = "" } = useParams();
  const hub = useHub();
  const link = useQuery({ queryKey: ["personal-link", handle], queryFn: () => hub.personalLink(handle), retry: false });
  if (link.isSuccess) return <Navigate to={`/m/${link.data.code}${window.location.hash}`} replace />;
  if (link.error === null) return <Loading />;
  if (Problem.from(link.error).kind === "not-found") return <NotFound />;
  return (
    <Stack>
      <ProblemAlert error={link.error} />
      <Anchor component={Link} to="/">
        {t("app.toStart")}
      </Anchor>
    </Stack>
  );
}
