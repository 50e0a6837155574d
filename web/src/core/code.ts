/** The code that comes by e-mail: however it is typed or pasted, only its digits count. */
export const CODE_LENGTH = 6;

/** "Your code: 123 456." → "123456"; at most CODE_LENGTH digits. */
export function digitsOf(text: string): string {
  return text.replace(/\D/g, "").slice(0, CODE_LENGTH);
}

export function isComplete(code: string): boolean {
  return code.length === CODE_LENGTH;
}

/** Where to go after signing in: a path of this site, never another one. */
export function safeNext(next: string | null): string {
  return next !== null && /^\/(?![/\\])/.test(next) ? next : "/";
}
