import { Modal, type ModalProps } from "@mantine/core";
import { useTranslation } from "react-i18next";

/** A modal dialog with a named close button, whose head is no second banner of the page. */
export function Dialog(props: Pick<ModalProps, "title" | "onClose" | "size" | "children">) {
  const { t } = useTranslation();
  return <Modal opened {...props} closeButtonProps={{ "aria-label": t("app.close") }} attributes={{ header: { role: "presentation" } }} />;
}
