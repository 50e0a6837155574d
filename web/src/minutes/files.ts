/** From a pasted picture to a link that lasts (docs/protocols/file-links.md): announce at the hub, send to the fsserver. */
import { Problem, problemOf } from "../core/api/problem.ts";

export interface Announced {
  id: string;
  href: string;
  upload: { method: string; url: string; expires_at: string };
}

export interface MinutesText {
  text: string;
  html: string;
  updated_at: string | null;
  may_write: boolean;
}

/** A file that is on disk for good; `type` is what the server found it to be. */
export interface Kept {
  href: string;
  name: string;
  type: string;
}

export type Send = (input: string, init?: RequestInit) => Promise<Response>;
export type Put = (url: string, file: Blob, onProgress: (part: number) => void, signal: AbortSignal) => Promise<{ type: string }>;

const TRIES = 5;

/** Browsers refuse a fetch that is called as somebody's method. */
const browserFetch: Send = (input, init) => fetch(input, init);

async function json<T>(answer: Promise<Response>): Promise<T> {
  let response: Response;
  try {
    response = await answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw Problem.unreachable();
  }
  if (!response.ok) throw await problemOf(response, Date.now());
  return (await response.json()) as T;
}

const of = (code: string) => `/api/v1/meetings/${encodeURIComponent(code)}`;

export function fetchMinutes(code: string, send: Send = browserFetch): Promise<MinutesText> {
  return json(send(`${of(code)}/minutes`));
}

export class Uploader {
  readonly #code: string;
  readonly #send: Send;
  readonly #put: Put;
  readonly #wait: (seconds: number) => Promise<void>;

  constructor(code: string, send: Send = browserFetch, put: Put = putByXhr, wait: (seconds: number) => Promise<void> = pause) {
    this.#code = code;
    this.#send = send;
    this.#put = put;
    this.#wait = wait;
  }

  /** Resolves when the file is durable. Waits by itself where a server says "please wait"; `onProgress` hears 0 to 1. */
  async upload(file: File, onProgress: (part: number) => void, signal: AbortSignal): Promise<Kept> {
    const name = file.name || "picture.png";
    const announced = await this.#patiently(signal, () =>
      json<Announced>(
        this.#send(`${of(this.#code)}/files`, {
          method: "POST",
          credentials: "same-origin",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ name, type: file.type, size: file.size }),
          signal,
        }),
      ),
    );
    // The same bytes under the same id are taken again without harm, so a broken upload is simply repeated.
    const { type } = await this.#patiently(signal, () => this.#put(announced.upload.url, file, onProgress, signal));
    return { href: announced.href, name, type };
  }

  async #patiently<T>(signal: AbortSignal, step: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await step();
      } catch (error) {
        const again = error instanceof Problem && (error.status === 503 || error.status === 0) && tries < TRIES;
        if (!again || signal.aborted) throw error;
        await this.#wait(error.retryAfter ?? tries);
      }
    }
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** fetch cannot tell how far an upload is. */
function putByXhr(url: string, file: Blob, onProgress: (part: number) => void, signal: AbortSignal): Promise<{ type: string }> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    signal.addEventListener("abort", stop, { once: true });
    request.upload.onprogress = (event) => onProgress(event.total > 0 ? event.loaded / event.total : 0);
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    request.onerror = () => reject(Problem.unreachable());
    request.onloadend = () => signal.removeEventListener("abort", stop);
    request.onload = () => {
      const retryAfter = request.getResponseHeader("Retry-After");
      const response = new Response(request.responseText, {
        status: request.status,
        headers: retryAfter === null ? {} : { "Retry-After": retryAfter },
      });
      json<{ type: string }>(Promise.resolve(response)).then(resolve, reject);
    };
    request.open("PUT", url);
    request.send(file);
  });
}
