import { Avatar, type AvatarProps, useMantineTheme } from "@mantine/core";
import { initials } from "../core/people.ts";

interface Props extends Pick<AvatarProps, "size" | "color"> {
  name: string;
  picture: string | null | undefined;
}

/** Somebody's picture; their initials where they have none, or while it cannot be fetched. It says nothing that the name beside it does not. */
export function PersonAvatar({ name, picture, size = "sm", color }: Props) {
  const { primaryColor } = useMantineTheme();
  return (
    <Avatar src={picture ?? null} alt="" size={size} color={color ?? primaryColor} aria-hidden>
      {initials(name)}
    </Avatar>
  );
}
