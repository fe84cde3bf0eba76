import { createHmac, timingSafeEqual } from "node:crypto";
import type { RandomSource } from "../runtime/random.ts";
import { type ControlReply, encodeCommand } from "./control-message.ts";
import { keywordsOf, quotable, quote, wordsOf } from "./control-text.ts";
import { TorError } from "./error.ts";

/** Tor's cookie has this many bytes; a file of another length is not sent anywhere. */
export const COOKIE_BYTES = 32;
const NONCE_BYTES = 32;
const HASH_BYTES = 32;
const SERVER_HASH_KEY = "Tor safe cookie authentication server-to-controller hash";
const CLIENT_HASH_KEY = "Tor safe cookie authentication controller-to-server hash";

/** A way to show tor that we may control it. */
export type AuthenticationMethod = "NULL" | "HASHEDPASSWORD" | "SAFECOOKIE" | "COOKIE";

/** What tor says about itself before it knows us. */
export interface ProtocolInfo {
  /** The methods that it takes, as it writes them. */
  readonly methods: readonly string[];
  /** Where its cookie lies, on its own file system. */
  readonly cookieFile: string | undefined;
  /** Its version, such as "0.4.9.11". */
  readonly version: string;
}

/** What is to be done next. */
export type AuthenticationStep =
  | { readonly kind: "send"; readonly command: Uint8Array }
  | { readonly kind: "cookie"; readonly path: string }
  | { readonly kind: "done"; readonly protocol: ProtocolInfo };

/** What we can show tor. */
export interface AuthenticationOptions {
  /**
   * The password whose hash tor was given.
   * @default none
   */
  readonly password?: string | undefined;
  /**
   * Where tor's cookie lies for us, as in a container.
   * @default where tor says
   */
  readonly cookieFile?: string | undefined;
  /**
   * The one method to use.
   * @default the best: NULL where it is enough; a password where one was given and no cookie file;
   *   SAFECOOKIE, in which tor proves first that it knows the cookie too; COOKIE
   */
  readonly method?: AuthenticationMethod | undefined;
  /** Where the nonce comes from. */
  readonly random: RandomSource;
}

type Stage = "protocol" | "cookie" | "challenge" | "authenticate" | "done";

/**
 * Reads the answer to PROTOCOLINFO.
 *
 * @param reply tor's answer
 * @throws TorError `not-tor` where it is none
 * @see control-spec, section 3.21
 */
export function parseProtocolInfo(reply: ControlReply): ProtocolInfo {
  const [first, ...others] = reply.lines.map((line) => wordsOf(line.text));
  const auth = others.find((words) => words[0] === "AUTH") ?? [];
  const version = others.find((words) => words[0] === "VERSION") ?? [];
  const methods = keywordsOf(auth).get("METHODS");
  if (reply.code !== 250 || first?.[0] !== "PROTOCOLINFO" || methods === undefined) {
    throw new TorError(
      "not-tor",
      `What listens at the control port does not answer as tor does ("${quotable(reply.lines[0]?.text ?? "")}"); check the port.`,
      { replyCode: reply.code },
    );
  }
  const path = keywordsOf(auth).get("COOKIEFILE");
  return {
    methods: methods.split(","),
    // Tor writes the path byte for byte; on our side paths are UTF-8.
    cookieFile: path === undefined ? undefined : Buffer.from(path, "latin1").toString("utf8"),
    version: keywordsOf(version).get("Tor") ?? "",
  };
}

/**
 * Shows tor that we may control it. Holds no socket and reads no file: bytes to send, files to
 * read and the end come out as steps.
 *
 * @see control-spec, sections 3.5, 3.21, 3.24 and 5.1
 */
export class ControlAuthentication {
  readonly #options: AuthenticationOptions;
  #stage: Stage = "protocol";
  #protocol: ProtocolInfo = { methods: [], cookieFile: undefined, version: "" };
  #method: AuthenticationMethod = "NULL";
  #cookie = new Uint8Array(0);
  #nonce = new Uint8Array(0);

  /** @param options what we can show */
  constructor(options: AuthenticationOptions) {
    this.#options = options;
  }

  /** The first command. */
  start(): Uint8Array {
    return encodeCommand(["PROTOCOLINFO", "1"]);
  }

  /** The method in use, once tor has said which it takes. */
  get method(): AuthenticationMethod {
    return this.#method;
  }

  /**
   * @param reply tor's answer to the last command
   * @returns what to do next
   * @throws TorError `not-tor`, `authentication-impossible`, `password-missing`, `password-wrong`,
   *   `cookie-wrong`, or `impostor` where tor does not know its own cookie: then nothing that
   *   follows from the cookie was sent
   */
  receive(reply: ControlReply): AuthenticationStep {
    switch (this.#stage) {
      case "protocol":
        this.#protocol = parseProtocolInfo(reply);
        this.#method = this.#choose();
        return this.#begin();
      case "challenge":
        return this.#answer(reply);
      case "authenticate":
        if (reply.code !== 250) throw this.#refusal(reply);
        this.#stage = "done";
        return { kind: "done", protocol: this.#protocol };
      case "cookie":
      case "done":
        throw new TorError("malformed-reply", "Tor's control port answered without being asked.");
    }
  }

  /**
   * @param bytes what the file of the step `cookie` holds
   * @returns what to do next
   * @throws TorError `cookie-wrong` where it is not 32 bytes: so that whoever poses as tor can't
   *   have another file sent to it
   */
  cookie(bytes: Uint8Array): AuthenticationStep {
    if (bytes.length !== COOKIE_BYTES) {
      throw new TorError(
        "cookie-wrong",
        `Tor's cookie file holds ${bytes.length} bytes, not ${COOKIE_BYTES}; check the file's name.`,
      );
    }
    if (this.#method === "COOKIE") return this.#authenticate(hex(bytes));
    this.#cookie = Uint8Array.from(bytes);
    this.#nonce = Uint8Array.from(this.#options.random.bytes(NONCE_BYTES));
    this.#stage = "challenge";
    const words = ["AUTHCHALLENGE", "SAFECOOKIE", hex(this.#nonce)];
    return { kind: "send", command: encodeCommand(words) };
  }

  #choose(): AuthenticationMethod {
    const { password, cookieFile, method } = this.#options;
    const offered = new Set(this.#protocol.methods);
    const wanted: AuthenticationMethod[] =
      method !== undefined
        ? [method]
        : password !== undefined && cookieFile === undefined
          ? ["NULL", "HASHEDPASSWORD", "SAFECOOKIE", "COOKIE"]
          : [
              "NULL",
              "SAFECOOKIE",
              "COOKIE",
              ...(password === undefined ? [] : ["HASHEDPASSWORD" as const]),
            ];
    const best = wanted.find((one) => offered.has(one));
    if (best !== undefined) return best;
    const methods = quotable([...offered].join(", "));
    if (offered.has("HASHEDPASSWORD") && password === undefined) {
      throw new TorError(
        "password-missing",
        `Tor's control port takes only a password (${methods}); give it one.`,
      );
    }
    throw new TorError(
      "authentication-impossible",
      `Tor's control port takes ${methods || "nothing"}, not ${wanted.join(", ")}; set CookieAuthentication 1 in torrc.`,
    );
  }

  #begin(): AuthenticationStep {
    const { password, cookieFile = this.#protocol.cookieFile } = this.#options;
    switch (this.#method) {
      case "NULL":
        return this.#authenticate();
      case "HASHEDPASSWORD":
        if (password === undefined) {
          throw new TorError("password-missing", "Tor's control port wants a password; give one.");
        }
        return this.#authenticate(quote(password));
      case "SAFECOOKIE":
      case "COOKIE":
        if (cookieFile === undefined) {
          throw new TorError(
            "authentication-impossible",
            "Tor's control port wants its cookie and does not say where it lies; name the file.",
          );
        }
        this.#stage = "cookie";
        return { kind: "cookie", path: cookieFile };
    }
  }

  #authenticate(...proof: string[]): AuthenticationStep {
    this.#stage = "authenticate";
    return { kind: "send", command: encodeCommand(["AUTHENTICATE", ...proof]) };
  }

  #answer(reply: ControlReply): AuthenticationStep {
    const words = wordsOf(reply.lines[0]?.text ?? "");
    const keywords = keywordsOf(words);
    const serverHash = bytesOf(keywords.get("SERVERHASH"), HASH_BYTES);
    const serverNonce = bytesOf(keywords.get("SERVERNONCE"), NONCE_BYTES);
    if (reply.code !== 250 || words[0] !== "AUTHCHALLENGE") throw this.#refusal(reply);
    if (serverHash === undefined || serverNonce === undefined) {
      throw new TorError("malformed-reply", "Tor's control port sent a challenge without hash.");
    }
    const expected = this.#hash(SERVER_HASH_KEY, serverNonce);
    if (!timingSafeEqual(expected, serverHash)) {
      throw new TorError(
        "impostor",
        "What listens at the control port does not know tor's cookie; check the port and the cookie file, or restart tor.",
      );
    }
    return this.#authenticate(hex(this.#hash(CLIENT_HASH_KEY, serverNonce)));
  }

  #hash(key: string, serverNonce: Uint8Array): Uint8Array {
    const hmac = createHmac("sha256", key);
    return hmac.update(this.#cookie).update(this.#nonce).update(serverNonce).digest();
  }

  #refusal(reply: ControlReply): TorError {
    const said = quotable(reply.lines[0]?.text ?? "");
    const options = { replyCode: reply.code };
    switch (this.#method) {
      case "HASHEDPASSWORD":
        return new TorError(
          "password-wrong",
          `Tor refused the control password (${reply.code} ${said}); correct it.`,
          options,
        );
      case "SAFECOOKIE":
      case "COOKIE":
        return new TorError(
          "cookie-wrong",
          `Tor refused its cookie (${reply.code} ${said}); check that the file is this tor's.`,
          options,
        );
      case "NULL":
        return new TorError(
          "authentication-impossible",
          `Tor refused a connection without proof (${reply.code} ${said}); set CookieAuthentication 1 in torrc.`,
          options,
        );
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function bytesOf(text: string | undefined, length: number): Uint8Array | undefined {
  if (text?.length !== 2 * length || !/^[0-9a-f]+$/i.test(text)) return undefined;
  return Uint8Array.from(Buffer.from(text, "hex"));
}
