import { ActionIcon, Button, Group, Progress, Text } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Problem } from "../core/api/problem.ts";
import { useProblemWords } from "../ui/ProblemAlert.tsx";
import type { Upload, Uploads } from "./useUploads.ts";

/** What is on its way, and what did not get there. */
export function UploadList({ uploads }: { uploads: Uploads }) {
  const { t } = useTranslation();
  if (uploads.list.length === 0) return null;
  return (
    <ul className="minutes-uploads" aria-label={t("minutes.uploads")}>
      {uploads.list.map((upload) => (
        <UploadItem key={upload.key} upload={upload} uploads={uploads} />
      ))}
    </ul>
  );
}

function UploadItem({ upload, uploads }: { upload: Upload; uploads: Uploads }) {
  const { t } = useTranslation();
  const words = useUploadWords();
  return (
    <li>
      <Group gap="xs" wrap="nowrap">
        <Text size="sm" truncate style={{ flex: 1 }}>
          {upload.name}
        </Text>
        {upload.problem === null ? null : (
          <Button size="compact-sm" variant="light" onClick={() => uploads.retry(upload.key)}>
            {t("minutes.retry")}
          </Button>
        )}
        <ActionIcon variant="subtle" aria-label={t("minutes.dropUpload", { name: upload.name })} onClick={() => uploads.remove(upload.key)}>
          <IconX size={16} aria-hidden />
        </ActionIcon>
      </Group>
      {upload.problem === null ? (
        <Progress value={upload.progress * 100} aria-label={t("minutes.uploading", { name: upload.name })} />
      ) : (
        <Text size="sm" role="alert">
          {words(upload.problem)}
        </Text>
      )}
    </li>
  );
}

function useUploadWords(): (problem: Problem) => string {
  const { t } = useTranslation();
  const others = useProblemWords();
  return (problem) => {
    if (problem.status === 413) return t("minutes.tooLarge");
    if (problem.kind === "too-many-files") return t("minutes.tooManyFiles");
    if (problem.status === 507) return t("minutes.noSpace");
    if (problem.status === 410 || problem.status === 408) return t("minutes.tooSlow");
    return others(problem);
  };
}
