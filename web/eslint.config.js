import js from "@eslint/js";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import globals from "globals";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules", "look", "src/core/api/schema.ts"] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  jsxA11y.flatConfigs.strict,
  reactHooks.configs.flat["recommended-latest"] ?? reactHooks.configs["recommended-latest"],
  {
    languageOptions: { globals: globals.browser },
    rules: {
      "no-console": "error",
      eqeqeq: "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // The pages say where the person is; moving the focus there is what a screen reader user expects.
      "jsx-a11y/no-autofocus": "off",
    },
  },
  {
    // What decides stays free of React and of the page, so that it can be tested alone.
    files: ["src/core/**/*.ts"],
    ignores: ["src/core/**/*.test.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: ["react", "react-*", "@mantine/*", "@livekit/*", "@tabler/*", "../ui/*", "../room/*", "../meeting/*", "../home/*"] },
      ],
      "no-restricted-globals": ["error", "window", "document", "localStorage", "sessionStorage"],
    },
  },
  { files: ["scripts/**", "dev/**", "*.ts", "*.js"], languageOptions: { globals: globals.node }, rules: { "no-console": "off" } },
);
