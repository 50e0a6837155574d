import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, test } from "vitest";
import { Problem } from "../core/api/problem.ts";
import type { Me } from "../core/api/types.ts";
import { ada, server } from "../testing/people.ts";
import { accessible, show } from "../testing/show.tsx";
import { SignInPage } from "./SignInPage.tsx";

const nobody: Me = { person: null, guest: null, server };

async function askForCode(hub: Parameters<typeof show>[1]) {
  const user = userEvent.setup();
  const asked: string[] = [];
  show(<SignInPage />, {
    me: async () => nobody,
    requestCode: async (email) => {
      asked.push(email);
      return { expires_in: 600 };
    },
    ...hub,
  });
  await user.type(await screen.findByLabelText("E-mail address"), " ada@x.org ");
  await user.click(screen.getByRole("button", { name: "Send code" }));
  return { user, asked };
}

describe("signing in", () => {
  test("sends a code to the address, then takes a pasted code without a click", async () => {
    const codes: string[] = [];
    const { user, asked } = await askForCode({
      signIn: async (_email, code) => {
        codes.push(code);
        return { person: ada };
      },
    });
    const field = await screen.findByLabelText("Code");
    expect(asked).toEqual(["ada@x.org"]);
    expect(field).toHaveAttribute("autocomplete", "one-time-code");
    await accessible();
    await user.click(field);
    await user.paste("Your code: 123 456");
    expect(codes).toEqual(["123456"]);
  });

  test("says how many tries are left, and empties the field", async () => {
    const { user } = await askForCode({
      signIn: () => Promise.reject(new Problem({ kind: "wrong-code", status: 401, more: { attempts_left: 1 } })),
    });
    await user.type(await screen.findByLabelText("Code"), "000000");
    expect(await screen.findByText("This code is wrong. 1 try left.")).toBeVisible();
    expect(screen.getByLabelText("Code")).toHaveValue("");
  });

  test("asks for nothing when the address is none", async () => {
    const user = userEvent.setup();
    show(<SignInPage />, { me: async () => nobody });
    await user.type(await screen.findByLabelText("E-mail address"), "ada");
    await user.click(screen.getByRole("button", { name: "Send code" }));
    expect(await screen.findByText("This is not an e-mail address.")).toBeVisible();
  });

  test("says that the network is away", async () => {
    await askForCode({ requestCode: () => Promise.reject(Problem.unreachable()) });
    expect(await screen.findByRole("alert")).toHaveTextContent("cannot be reached");
  });

  test("offers the single sign-on alone where there is nothing else, and says why it sent somebody back", async () => {
    const only: Me = { ...nobody, server: { ...server, sign_in_methods: ["oidc"], oidc_name: "Example SSO" } };
    show(<SignInPage />, { me: async () => only }, "/sign-in?next=%2Fm%2Fabc&problem=email-unverified");
    expect(await screen.findByRole("link", { name: "Sign in with Example SSO" })).toHaveAttribute("href", "/api/v1/sign-in/oidc?next=%2Fm%2Fabc");
    expect(screen.getByRole("alert")).toHaveTextContent("has not been confirmed there yet");
    expect(screen.queryByLabelText("E-mail address")).toBeNull();
    await accessible();
  });
});
