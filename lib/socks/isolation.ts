import type { RandomSource } from "../runtime/random.ts";
import { SocksError } from "./error.ts";
import { CREDENTIAL_BYTES_MAX } from "./message.ts";

/** User name and password as text. */
export interface IsolationCredentials {
  readonly user: string;
  readonly password: string;
}

/** Random bytes of a prefix: two starts never meet, and nobody else's label can be guessed. */
const PREFIX_BYTES = 16;
/** The user name of Tor's extended format 0: what isolates is the password alone. */
const TOR_EXTENDED_USER = "<torS0X>0";
/** Room that the prefix and a colon leave in a password. */
const LABEL_CHARACTERS_MAX = CREDENTIAL_BYTES_MAX - 2 * PREFIX_BYTES - 1;
const LABEL = /^[\x21-\x7e]+$/;

/**
 * Keeps streams of different purposes on different Tor circuits, by the credentials they are asked
 * with: streams share a circuit only when user name and password are the same.
 *
 * Every object draws its own prefix, so that neither an earlier run of the program nor another
 * program at the same proxy shares a circuit with this one.
 *
 * Source: tor manual, `IsolateSOCKSAuth`; Tor proposal 351 for the `<torS0X>` form.
 */
export class StreamIsolation {
  readonly #random: RandomSource;
  #prefix = "";

  /** @param random draws the prefix; `systemRandom` outside tests */
  constructor(random: RandomSource) {
    this.#random = random;
    this.renew();
  }

  /**
   * Draws another prefix: streams opened from now on share no circuit with those that are open,
   * whatever their label.
   */
  renew(): void {
    this.#prefix = [...this.#random.bytes(PREFIX_BYTES)]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
  }

  /**
   * Credentials for a stream.
   *
   * @param label the stream's purpose: 1 to 222 printable ASCII characters without spaces
   * @returns the same for the same label until the next `renew`, and for no other
   * @throws SocksError `request-invalid` on another label
   */
  credentials(label: string): IsolationCredentials {
    checkLabel(label);
    return { user: this.#prefix, password: label };
  }

  /**
   * Credentials in Tor's extended form, `<torS0X>0`, which tor 0.4.9 and arti take for what they
   * are, whereas other proxies see a user of that name.
   *
   * @param label as for {@link StreamIsolation.credentials}
   * @returns the same for the same label until the next `renew`, and for no other
   * @throws SocksError `request-invalid` on another label
   */
  torCredentials(label: string): IsolationCredentials {
    checkLabel(label);
    return { user: TOR_EXTENDED_USER, password: `${this.#prefix}:${label}` };
  }
}

function checkLabel(label: string): void {
  if (label.length <= LABEL_CHARACTERS_MAX && LABEL.test(label)) return;
  throw new SocksError(
    "request-invalid",
    `Isolation label "${label.slice(0, 60)}" is not 1 to ${LABEL_CHARACTERS_MAX} printable ASCII characters; change it.`,
  );
}
