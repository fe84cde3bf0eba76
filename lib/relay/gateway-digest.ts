import { createHash } from "node:crypto";
import type { RandomSource } from "../runtime/random.ts";

/** Name and password for a daemon with `--rpc-login`. Never printed. */
export interface DaemonLogin {
  readonly user: string;
  readonly password: string;
}

/** A server's wish to be shown a login. */
interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly stale: boolean;
}

const CNONCE_BYTES = 8;
const PARAMETER = /([a-z]+)=(?:"([^"\\]*)"|([^",\s]+))/gi;

/**
 * Shows a login to one connection's server by digests: the password itself is never sent.
 *
 * Source: RFC 7616 with algorithm MD5 and `qop=auth`, which is what monerod asks for.
 * @see monero `contrib/epee/src/http_auth.cpp`
 */
export class DigestSession {
  readonly #login: DaemonLogin;
  readonly #random: RandomSource;
  #challenge: Challenge | undefined;
  /** Counted up for each use of a nonce: monerod refuses one that it has seen. */
  #count = 0;

  /**
   * @param login name and password
   * @param random draws the client's own nonces
   */
  constructor(login: DaemonLogin, random: RandomSource) {
    this.#login = login;
    this.#random = random;
  }

  /**
   * Takes the challenges of an answer with status 401.
   *
   * @param lines the `WWW-Authenticate` headers
   * @returns whether another attempt makes sense: not where the login was refused already, nor
   *   where the server asks for a way that is not spoken here, such as the bare password
   */
  challenged(lines: readonly string[]): boolean {
    const before = this.#challenge;
    const found = lines.map(readChallenge).find((challenge) => challenge !== undefined);
    this.#challenge = found;
    this.#count = 0;
    return found !== undefined && (before === undefined || found.stale);
  }

  /**
   * The `Authorization` header's value for the next request.
   *
   * @param method such as "POST"
   * @param path as requested
   * @returns undefined while the server has asked for none
   */
  authorization(method: string, path: string): string | undefined {
    const challenge = this.#challenge;
    if (challenge === undefined) return undefined;
    const { realm, nonce, opaque } = challenge;
    this.#count++;
    const count = this.#count.toString(16).padStart(8, "0");
    const cnonce = Buffer.from(this.#random.bytes(CNONCE_BYTES)).toString("hex");
    const who = md5(`${this.#login.user}:${realm}:${this.#login.password}`);
    const what = md5(`${method}:${path}`);
    const response = md5(`${who}:${nonce}:${count}:${cnonce}:auth:${what}`);
    const parts = [
      `username="${this.#login.user}", realm="${realm}", nonce="${nonce}", uri="${path}"`,
      `algorithm=MD5, qop=auth, nc=${count}, cnonce="${cnonce}", response="${response}"`,
      ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
    ];
    return `Digest ${parts.join(", ")}`;
  }
}

function readChallenge(line: string): Challenge | undefined {
  if (!/^digest\s/i.test(line)) return undefined;
  const fields = new Map<string, string>();
  for (const [, name = "", quoted, bare] of line.slice("digest".length).matchAll(PARAMETER)) {
    fields.set(name.toLowerCase(), quoted ?? bare ?? "");
  }
  const realm = fields.get("realm");
  const nonce = fields.get("nonce");
  const algorithm = fields.get("algorithm") ?? "MD5";
  const asksAuth = (fields.get("qop") ?? "").split(",").some((qop) => qop.trim() === "auth");
  if (realm === undefined || nonce === undefined || !asksAuth) return undefined;
  if (algorithm.toUpperCase() !== "MD5") return undefined;
  const stale = fields.get("stale")?.toLowerCase() === "true";
  return { realm, nonce, opaque: fields.get("opaque"), stale };
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
