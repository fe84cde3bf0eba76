import { GatewayError } from "./gateway-error.ts";
import { type DaemonOptionNames, walletDaemonNames } from "./gateway-option.ts";

/** The beginning of an HTTP answer. */
export interface ResponseHead {
  /** 200 to 599. */
  readonly status: number;
  /** Undefined where it is told by chunks, or by the end of the connection. */
  readonly bodyBytes: number | undefined;
  /** The `WWW-Authenticate` lines, in order. */
  readonly challenges: readonly string[];
}

/** What a {@link ResponseReader} has found next. */
export type ResponseStep =
  | { readonly kind: "more" }
  | { readonly kind: "head"; readonly head: ResponseHead }
  /** Shares memory with what was received. */
  | { readonly kind: "body"; readonly bytes: Uint8Array }
  /** `reusable`: the connection may carry another request. */
  | { readonly kind: "end"; readonly reusable: boolean };

/** Status line and headers together; monerod's have 200 bytes, and this is held for each answer. */
export const HEAD_BYTES_MAX = 8_192;
/** A chunk's size in hexadecimal, with whatever extensions a server in between adds. */
const CHUNK_LINE_BYTES_MAX = 256;
/** Hexadecimal digits of a chunk's size: 256 MiB, and no number that could be inexact. */
const CHUNK_DIGITS_MAX = 7;
/** Digits of a content length that a double holds exactly. */
const LENGTH_DIGITS_MAX = 15;
/** Interim answers (100 to 199) before the real one. */
const INTERIM_MAX = 4;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: .*)?$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const LINE_FEED = 0x0a;

type State =
  | "head"
  | "length"
  | "until-close"
  | "chunk-size"
  | "chunk"
  | "chunk-end"
  | "trailer"
  | "done";

/**
 * Reads the answer to one request of HTTP/1.1, sans sockets. Nothing but the head is ever held: the
 * body passes through in the pieces in which it came.
 *
 * Source: RFC 9112, sections 4 to 7. Stricter than it where a lenient reader could be made to see
 * another end of the answer than a strict one.
 */
export class ResponseReader {
  #state: State = "head";
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  readonly #line: number[] = [];
  #lines: string[] = [];
  #headBytes = 0;
  #left = 0;
  #interim = 0;
  #keepAlive = false;
  readonly #options: DaemonOptionNames;

  /** @param options how the daemon's options are called; those of the wallets' by default */
  constructor(options: DaemonOptionNames = walletDaemonNames) {
    this.#options = options;
  }

  /** Whether nothing of the answer has come yet. */
  get untouched(): boolean {
    return this.#state === "head" && this.#headBytes === 0 && this.#interim === 0;
  }

  /**
   * Hands bytes over; those before must have been worked off with {@link next}.
   *
   * @param bytes read from the daemon
   */
  push(bytes: Uint8Array): void {
    this.#input = bytes;
    this.#at = 0;
  }

  /**
   * The next thing in the bytes.
   *
   * @throws GatewayError `bad-answer` where they are not HTTP/1.1, or `too-much` for a long head
   */
  next(): ResponseStep {
    for (;;) {
      switch (this.#state) {
        case "head": {
          const head = this.#readHead();
          if (head === "more") return { kind: "more" };
          if (head !== undefined) return { kind: "head", head };
          break;
        }
        case "length":
        case "chunk":
        case "until-close": {
          if (this.#state !== "until-close" && this.#left === 0) {
            this.#state = this.#state === "chunk" ? "chunk-end" : "done";
            break;
          }
          const bytes = this.#take();
          return bytes === undefined ? { kind: "more" } : { kind: "body", bytes };
        }
        case "chunk-size":
        case "chunk-end":
        case "trailer": {
          const line = this.#readLine(
            this.#state === "trailer" ? HEAD_BYTES_MAX : CHUNK_LINE_BYTES_MAX,
          );
          if (line === undefined) return { kind: "more" };
          this.#onChunkLine(line);
          break;
        }
        case "done":
          // Bytes after the end answer no request of ours: such a connection is not used again.
          return { kind: "end", reusable: this.#keepAlive && this.#at === this.#input.length };
      }
    }
  }

  /**
   * Tells that the connection has ended.
   *
   * @throws GatewayError `closed` where that is not the answer's end
   */
  ended(): void {
    if (this.#state === "until-close" || this.#state === "done") {
      this.#state = "done";
      this.#keepAlive = false;
      return;
    }
    throw new GatewayError(
      "closed",
      "peer",
      this.untouched
        ? "The daemon closed the connection without an answer."
        : "The daemon closed the connection in the middle of its answer.",
    );
  }

  #take(): Uint8Array | undefined {
    const there = this.#input.length - this.#at;
    if (there === 0) return undefined;
    const length = this.#state === "until-close" ? there : Math.min(there, this.#left);
    const bytes = this.#input.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.#left -= length;
    return bytes;
  }

  /** @returns a line without its end; undefined while it is not whole */
  #readLine(bytesMax: number): string | undefined {
    const feed = this.#input.indexOf(LINE_FEED, this.#at);
    const end = feed < 0 ? this.#input.length : feed + 1;
    if (this.#line.length + end - this.#at > bytesMax) {
      throw new GatewayError(
        "too-much",
        "peer",
        `The daemon's answer has a head of over ${HEAD_BYTES_MAX} bytes, or a line too long.`,
      );
    }
    for (; this.#at < end; this.#at++) this.#line.push(this.#input[this.#at] ?? 0);
    if (feed < 0) return undefined;
    const text = Buffer.from(this.#line).toString("latin1");
    this.#line.length = 0;
    this.#headBytes += text.length;
    if (!text.endsWith("\r\n")) throw this.#bad("has a line that does not end in CR LF");
    return text.slice(0, -2);
  }

  #readHead(): ResponseHead | "more" | undefined {
    const line = this.#readLine(HEAD_BYTES_MAX - this.#headBytes);
    if (line === undefined) return "more";
    if (this.#lines.length === 0 && !STATUS_LINE.test(line)) {
      throw this.#bad("does not begin with a status line of HTTP/1.1");
    }
    if (line !== "") {
      this.#lines.push(line);
      return undefined;
    }
    const [first = "", ...rest] = this.#lines;
    this.#lines = [];
    return this.#onHead(first, rest);
  }

  #onHead(first: string, lines: readonly string[]): ResponseHead | undefined {
    const [, minor, digits] = STATUS_LINE.exec(first) ?? [];
    const status = Number(digits);
    if (status < 200) {
      this.#interim++;
      this.#headBytes = 0;
      if (status === 101 || this.#interim > INTERIM_MAX) throw this.#bad("has no final status");
      return undefined;
    }
    const headers = readHeaders(lines);
    if (headers === undefined) throw this.#bad("has a header that is none");
    const tokens = (headers.get("connection") ?? []).join(",").toLowerCase();
    this.#keepAlive = minor === "1" ? !/\bclose\b/.test(tokens) : /\bkeep-alive\b/.test(tokens);
    const bodyBytes = this.#frame(status, headers);
    return { status, bodyBytes, challenges: headers.get("www-authenticate") ?? [] };
  }

  #frame(status: number, headers: ReadonlyMap<string, readonly string[]>): number | undefined {
    const codings = headers.get("transfer-encoding");
    const lengths = headers.get("content-length");
    if (codings !== undefined) {
      const [coding = "", ...more] = codings;
      if (lengths !== undefined || more.length > 0 || coding.toLowerCase() !== "chunked") {
        throw this.#bad("tells its length in more than one way, or in an unknown one");
      }
      this.#state = "chunk-size";
      return undefined;
    }
    if (status === 204 || status === 304) {
      this.#state = "done";
      return 0;
    }
    if (lengths === undefined) {
      this.#state = "until-close";
      this.#keepAlive = false;
      return undefined;
    }
    const [length = "", ...others] = lengths;
    const isWhole = /^[0-9]+$/.test(length) && length.length <= LENGTH_DIGITS_MAX;
    if (!isWhole || others.some((other) => other !== length)) {
      throw this.#bad(`has the content length "${lengths.join(", ").slice(0, 40)}"`);
    }
    this.#state = "length";
    this.#left = Number(length);
    return this.#left;
  }

  #onChunkLine(line: string): void {
    if (this.#state === "chunk-end") {
      if (line !== "") throw this.#bad("has a chunk that is longer than it says");
      this.#state = "chunk-size";
      return;
    }
    if (this.#state === "trailer") {
      if (this.#headBytes > HEAD_BYTES_MAX) throw this.#bad("has a trailer without end");
      if (line === "") this.#state = "done";
      return;
    }
    const [, digits = ""] = /^([0-9a-fA-F]+)[ \t]*(?:;.*)?$/.exec(line) ?? [];
    if (digits === "" || digits.length > CHUNK_DIGITS_MAX) {
      throw this.#bad(`has "${line.slice(0, 40)}" for the size of a chunk`);
    }
    this.#left = Number.parseInt(digits, 16);
    this.#headBytes = 0;
    this.#state = this.#left === 0 ? "trailer" : "chunk";
  }

  #bad(what: string): GatewayError {
    const { url } = this.#options;
    const text = `The daemon's answer ${what}; check that ${url} is the RPC port of a monerod.`;
    return new GatewayError("bad-answer", "peer", text);
  }
}

/** @returns undefined where a line is no header */
function readHeaders(lines: readonly string[]): Map<string, string[]> | undefined {
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    headers.set(key, [...(headers.get(key) ?? []), value]);
  }
  return headers;
}
