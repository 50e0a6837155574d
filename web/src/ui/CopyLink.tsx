import { Button, CopyButton, VisuallyHidden } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

export function CopyLink({ link }: { link: string }) {
  const { t } = useTranslation();
  return (
    <CopyButton value={link} timeout={2500}>
      {({ copied, copy }) => (
        <>
          <Button
            variant="default"
            onClick={copy}
            leftSection={copied ? <IconCheck size={18} aria-hidden /> : <IconCopy size={18} aria-hidden />}
          >
            {copied ? t("app.copied") : t("app.copyLink")}
          </Button>
          <VisuallyHidden role="status">{copied ? t("app.copied") : ""}</VisuallyHidden>
        </>
      )}
    </CopyButton>
  );
}
