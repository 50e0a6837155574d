import { createBrowserRouter, type RouteObject } from "react-router";
import { Frame } from "./ui/Frame.tsx";
import { Loading } from "./ui/Loading.tsx";
import { RouteError } from "./ui/RouteError.tsx";

export const routes: RouteObject[] = [
  {
    Component: Frame,
    HydrateFallback: Loading,
    ErrorBoundary: RouteError,
    children: [
      { path: "/", lazy: async () => ({ Component: (await import("./home/HomePage.tsx")).HomePage }) },
      { path: "/sign-in", lazy: async () => ({ Component: (await import("./signin/SignInPage.tsx")).SignInPage }) },
      { path: "/account", lazy: async () => ({ Component: (await import("./account/AccountPage.tsx")).AccountPage }) },
      { path: "/p/:handle", lazy: async () => ({ Component: (await import("./home/PersonalLinkPage.tsx")).PersonalLinkPage }) },
      { path: "/m/:code/minutes", lazy: async () => ({ Component: (await import("./home/MinutesPage.tsx")).MinutesPage }) },
      { path: "/m/:code/attendance", lazy: async () => ({ Component: (await import("./home/AttendancePage.tsx")).AttendancePage }) },
      { path: "/m/:code/details", lazy: async () => ({ Component: (await import("./home/DetailsPage.tsx")).DetailsPage }) },
      { path: "/r", lazy: async () => ({ Component: (await import("./reply/ReplyPage.tsx")).ReplyPage }) },
      { path: "/admin/:tab?", lazy: async () => ({ Component: (await import("./admin/AdminPage.tsx")).AdminPage }) },
      { path: "*", lazy: async () => ({ Component: (await import("./ui/NotFound.tsx")).NotFound }) },
    ],
  },
  {
    path: "/m/:code",
    HydrateFallback: Loading,
    ErrorBoundary: RouteError,
    lazy: async () => ({ Component: (await import("./meeting/MeetingPage.tsx")).MeetingPage }),
  },
];

export function createRoutes(): ReturnType<typeof createBrowserRouter> {
  return createBrowserRouter(routes);
}
