/** The place of the minutes' editor. */
export function Minutes({ meetingCode }: { meetingCode: string }) {
  return <section data-meeting={meetingCode} />;
}
