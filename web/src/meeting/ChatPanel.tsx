import { ActionIcon, Anchor, Button, Group, Text, Textarea } from "@mantine/core";
import { IconSend2 } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Chat, type ChatEntry } from "../core/chat.ts";
import { linkify } from "../core/linkify.ts";
import { timeOfDay } from "../core/when.ts";
import { useReadable } from "../ui/useReadable.ts";
import classes from "./chat.module.css";

export function ChatPanel({ chat }: { chat: Chat }) {
  const { t } = useTranslation();
  const { entries } = useReadable(chat.state);
  const [text, setText] = useState("");
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [entries.length]);

  function send(): void {
    if (text.trim() === "") return;
    void chat.send(text);
    setText("");
  }

  return (
    <>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a long conversation is scrolled by keyboard too */}
      <div className={classes["log"]} role="log" aria-label={t("chat.messages")} tabIndex={0}>
        {entries.length === 0 ? <Text c="dimmed">{t("chat.empty")}</Text> : null}
        {entries.map((entry) => (
          <Message key={entry.id} entry={entry} onRetry={() => void chat.retry(entry.id)} />
        ))}
        <div ref={end} />
      </div>
      <form
        className={classes["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Textarea
          aria-label={t("chat.write")}
          placeholder={t("chat.write")}
          autosize
          minRows={1}
          maxRows={5}
          maxLength={chat.longest}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            send();
          }}
          style={{ flex: 1 }}
        />
        <ActionIcon type="submit" size={36} aria-label={t("chat.send")} disabled={text.trim() === ""}>
          <IconSend2 size={20} aria-hidden />
        </ActionIcon>
      </form>
    </>
  );
}

function Message({ entry, onRetry }: { entry: ChatEntry; onRetry: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <article className={`${classes["message"]} ${entry.mine ? classes["mine"] : ""}`} data-message-id={entry.id}>
      <Group gap="xs" justify="space-between" wrap="nowrap">
        <Text size="sm" fw={600} truncate>
          {entry.mine ? t("chat.you") : entry.author.name || t("chat.someone")}
        </Text>
        <Text size="xs" c="dimmed" component="time" dateTime={entry.sent_at}>
          {timeOfDay(entry.sent_at, i18n.language)}
        </Text>
      </Group>
      <Text className={classes["text"] ?? ""}>
        {linkify(entry.text).map((piece, index) =>
          piece.kind === "link" ? (
            <Anchor key={index} href={piece.href} target="_blank" rel="noopener noreferrer" underline="always" inherit>
              {piece.text}
            </Anchor>
          ) : (
            piece.text
          ),
        )}
      </Text>
      {entry.state === "unreadable" || entry.plain ? (
        <Text size="sm" c="dimmed" fs="italic">
          {t(entry.plain ? "chat.plain" : "chat.unreadable")}
        </Text>
      ) : null}
      {entry.state === "failed" ? (
        <Group gap="xs" role="alert">
          <Text size="xs" c="red">
            {t("chat.failed")}
          </Text>
          <Button size="compact-xs" variant="light" color="red" onClick={onRetry}>
            {t("chat.retry")}
          </Button>
        </Group>
      ) : null}
    </article>
  );
}
