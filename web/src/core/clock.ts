/** Time, handed in: machines of `core` never read a clock or set a timer themselves. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `action` after `ms`; the answer cancels it. */
  after(ms: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
