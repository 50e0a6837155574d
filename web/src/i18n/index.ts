/** The catalogue of texts. English is built in; every other language is a chunk of its own, fetched when chosen. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { fetchPart } from "../ui/parts.ts";
import en from "./en.json";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const loaders: Record<Exclude<Language, "en">, () => Promise<{ default: unknown }>> = {
  de: () => import("./de.json"),
};

const KEPT_AS = "meeting.language";

function isLanguage(value: string): value is Language {
  return value in LANGUAGES;
}

/** The language asked for last time, else the browser's first one that we have. */
export function preferredLanguage(): Language {
  const kept = localStorage.getItem(KEPT_AS);
  for (const wish of [...(kept === null ? [] : [kept]), ...navigator.languages]) {
    const language = wish.toLowerCase().split("-")[0] ?? "";
    if (isLanguage(language)) return language;
  }
  return "en";
}

async function load(language: Language): Promise<void> {
  if (language === "en" || i18next.hasResourceBundle(language, "translation")) return;
  const catalogue = await fetchPart(loaders[language], { mayReload: false });
  i18next.addResourceBundle(language, "translation", catalogue.default);
}

export async function startCatalogue(language: Language): Promise<void> {
  if (!i18next.isInitialized) {
    await i18next.use(initReactI18next).init({
      resources: { en: { translation: en } },
      lng: "en",
      fallbackLng: "en",
      partialBundledLanguages: true,
      interpolation: { escapeValue: false },
    });
  }
  // Rather in English than not at all.
  await show(language).catch(() => show("en"));
}

async function show(language: Language): Promise<void> {
  await load(language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}

export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEPT_AS, language);
  await show(language);
}
