/**
 * What of this person's edits the hub has not yet written down. The hub counts the step 2 and update messages of a connection that are
 * durable and tells (message 100, docs/protocols/http-api.md); here they are counted as they leave.
 */
import { createStore, type Readable } from "../core/store.ts";

const SYNC = 0;
const STEP_2 = 1;
const UPDATE = 2;

export class Ledger {
  readonly #unsaved = createStore(false);
  #sent = 0;
  #answered = false;

  /** Whether something was written that may still be lost. */
  get unsaved(): Readable<boolean> {
    return this.#unsaved;
  }

  /** This person changed the document. */
  edited(): void {
    this.#unsaved.set(true);
  }

  /** A new connection: its count begins at nothing. */
  opened(): void {
    this.#sent = 0;
    this.#answered = false;
  }

  /** A frame leaves. */
  sent(frame: Uint8Array): void {
    if (frame[0] !== SYNC || (frame[1] !== STEP_2 && frame[1] !== UPDATE)) return;
    this.#sent += 1;
    // Step 2 carries all that the hub does not have, edits made offline included.
    if (frame[1] === STEP_2) this.#answered = true;
  }

  /** So many messages of this connection are in the hub's database. */
  durable(count: number): void {
    if (this.#answered && count >= this.#sent) this.#unsaved.set(false);
  }
}
