/** A list of the hub, page by page: a table that scrolls sideways by itself, and a button for more. */
import { Button, Center, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import type { Page } from "./api.ts";
import { ADMIN } from "./useAdmin.ts";

interface Props<T> {
  label: string;
  of: readonly unknown[];
  ask: (next?: string) => Promise<Page<T>>;
  head: string[];
  row: (item: T) => ReactNode;
}

export function List<T extends { id: string }>({ label, of, ask, head, row }: Props<T>) {
  const { t } = useTranslation();
  const pages = useInfiniteQuery({
    queryKey: [ADMIN, ...of],
    queryFn: ({ pageParam }) => ask(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
  });
  if (pages.isPending) return <Loading />;
  if (pages.error !== null) return <ProblemAlert error={pages.error} />;
  const items = pages.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <Text c="dimmed">{t("admin.nothing")}</Text>;
  return (
    <>
      <PlainTable label={label} head={head}>
        {items.map((item) => (
          <Table.Tr key={item.id}>{row(item)}</Table.Tr>
        ))}
      </PlainTable>
      {pages.hasNextPage ? (
        <Center>
          <Button variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            {t("admin.more")}
          </Button>
        </Center>
      ) : null}
    </>
  );
}

export function PlainTable({ label, head, children }: { label: string; head: string[]; children: ReactNode }) {
  return (
    <Table.ScrollContainer minWidth={640} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": label } }}>
      <Table aria-label={label} verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            {head.map((name) => (
              <Table.Th key={name}>{name}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
