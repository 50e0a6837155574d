import { Button, CopyButton, VisuallyHidden } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

/** `label`: what the button says where it is no link that is copied. */
export function CopyLink({ link, label }: { link: string; label?: string }) {
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
            {copied ? t("app.copied") : (label ?? t("app.copyLink"))}
          </Button>
          <VisuallyHidden role="status">{copied ? t("app.copied") : ""}</VisuallyHidden>
        </>
      )}
    </CopyButton>
  );
}
