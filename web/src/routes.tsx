import type { ComponentType } from "react";
import { createBrowserRouter, type RouteObject } from "react-router";
import { Frame } from "./ui/Frame.tsx";
import { Loading } from "./ui/Loading.tsx";
import { fetchPart } from "./ui/parts.ts";
import { RouteError } from "./ui/RouteError.tsx";

/** Each page is a part of its own. */
function page(load: () => Promise<ComponentType>): () => Promise<{ Component: ComponentType }> {
  return async () => ({ Component: await fetchPart(load) });
}

export const routes: RouteObject[] = [
  {
    Component: Frame,
    HydrateFallback: Loading,
    ErrorBoundary: RouteError,
    children: [
      { path: "/", lazy: page(async () => (await import("./home/HomePage.tsx")).HomePage) },
      { path: "/sign-in", lazy: page(async () => (await import("./signin/SignInPage.tsx")).SignInPage) },
      { path: "/account", lazy: page(async () => (await import("./account/AccountPage.tsx")).AccountPage) },
      { path: "/p/:handle", lazy: page(async () => (await import("./home/PersonalLinkPage.tsx")).PersonalLinkPage) },
      { path: "/m/:code/minutes", lazy: page(async () => (await import("./home/MinutesPage.tsx")).MinutesPage) },
      { path: "/m/:code/attendance", lazy: page(async () => (await import("./home/AttendancePage.tsx")).AttendancePage) },
      { path: "/m/:code/details", lazy: page(async () => (await import("./home/DetailsPage.tsx")).DetailsPage) },
      { path: "/r", lazy: page(async () => (await import("./reply/ReplyPage.tsx")).ReplyPage) },
      { path: "/admin/:tab?", lazy: page(async () => (await import("./admin/AdminPage.tsx")).AdminPage) },
      { path: "*", lazy: page(async () => (await import("./ui/NotFound.tsx")).NotFound) },
    ],
  },
  {
    path: "/m/:code",
    HydrateFallback: Loading,
    ErrorBoundary: RouteError,
    lazy: page(async () => (await import("./meeting/MeetingPage.tsx")).MeetingPage),
  },
];

export function createRoutes(): ReturnType<typeof createBrowserRouter> {
  return createBrowserRouter(routes);
}
