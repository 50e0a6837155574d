import { useTranslation } from "react-i18next";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import classes from "./reactions.module.css";

/** Reactions float up beside the pictures; each also says its name to those who listen. */
export function FloatingReactions({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const shown = useReadable(live.reactions.shown);
  const nameOf = (identity: string) => live.room.getParticipantByIdentity(identity)?.name || live.room.localParticipant.name || "";
  return (
    <div className={classes["sky"]} role="log" aria-label={t("call.reactions")}>
      {shown.map(({ id, sign, identity }) => (
        <div key={id} className={classes["reaction"]} style={{ insetInlineStart: `${(id * 37) % 80}%` }}>
          <span role="img" aria-label={t(`reaction.${sign}`)}>
            {sign}
          </span>
          <span className={classes["name"]}>{nameOf(identity)}</span>
        </div>
      ))}
    </div>
  );
}
