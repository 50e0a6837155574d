export function MeetingRoom() {
  return null;
}
