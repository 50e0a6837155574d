import { Alert, Button, Stack, Text } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { type ComponentType, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Loading } from "./Loading.tsx";
import { fetchPart } from "./parts.ts";

/** A component whose code comes when it is first shown. What fails is said in its place, and can be tried again there. */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>, how: { mayReload?: boolean } = {}): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null;
  return function Later(props: Props) {
    const [Part, setPart] = useState<ComponentType<Props> | null>(() => loaded);
    const [round, setRound] = useState(0);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded !== null) return;
      let shown = true;
      fetchPart(load, how).then(
        (part) => {
          loaded = part;
          if (shown) setPart(() => part);
        },
        () => {
          if (shown) setFailed(true);
        },
      );
      return () => {
        shown = false;
      };
    }, [round]);
    if (Part !== null) return <Part {...props} />;
    if (!failed) return <Loading />;
    const again = () => {
      setFailed(false);
      setRound(round + 1);
    };
    return <Missing onAgain={again} />;
  };
}

function Missing({ onAgain }: { onAgain: () => void }) {
  const { t } = useTranslation();
  return (
    <Alert color="red" role="alert" m="md" icon={<IconAlertCircle aria-hidden />} title={t("broken.part")}>
      <Stack align="flex-start">
        <Text size="sm">{t("broken.partWhat")}</Text>
        <Button onClick={onAgain}>{t("broken.again")}</Button>
      </Stack>
    </Alert>
  );
}
