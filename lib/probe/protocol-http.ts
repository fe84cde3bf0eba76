import {
  beginningOf,
  type Conversation,
  type ConversationStep,
  endedEarly,
  type Facts,
  otherProtocol,
  type SecuredStream,
} from "./conversation.ts";
import { describeTls, tlsFacts } from "./protocol-tls.ts";

/** What is asked of a web server. */
export interface HttpRequest {
  /** Host as it stands in the URL, with the port where it is not the usual one. */
  readonly host: string;
  /** Path and query, beginning with a slash; printable ASCII. */
  readonly path: string;
  /** The name for TLS; undefined for plain HTTP. */
  readonly tlsName: string | undefined;
}

/** Longest status line read: servers' reasons are a few words. */
const STATUS_LINE_BYTES_MAX = 1_024;
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |\r|$)/;
const LINE_FEED = 0x0a;

/**
 * A web server: one GET, of which only the status line is read. The request says nothing of the
 * program that makes it. A redirect is not followed.
 *
 * @param request what to ask
 */
export function httpConversation(request: HttpRequest): Conversation {
  return new HttpConversation(request);
}

class HttpConversation implements Conversation {
  readonly #request: HttpRequest;
  readonly #line = new Uint8Array(STATUS_LINE_BYTES_MAX);
  #bytes = 0;
  #tls: SecuredStream | undefined;

  constructor(request: HttpRequest) {
    this.#request = request;
  }

  start(): ConversationStep {
    const { tlsName } = this.#request;
    return tlsName === undefined ? this.#ask() : { kind: "secure", serverName: tlsName };
  }

  secured(stream: SecuredStream): ConversationStep {
    this.#tls = stream;
    return this.#ask();
  }

  receive(bytes: Uint8Array): ConversationStep {
    const room = STATUS_LINE_BYTES_MAX - this.#bytes;
    this.#line.set(bytes.subarray(0, room), this.#bytes);
    this.#bytes += Math.min(room, bytes.length);
    const held = this.#line.subarray(0, this.#bytes);
    const end = held.indexOf(LINE_FEED);
    if (end >= 0) return this.#read(held.subarray(0, end));
    const begins = Buffer.from(held.subarray(0, "HTTP/1.".length)).toString("latin1");
    if ("HTTP/1.".startsWith(begins) || begins === "HTTP/1.") {
      if (this.#bytes < STATUS_LINE_BYTES_MAX) return { kind: "more" };
    }
    return otherProtocol("HTTP", `It answered a GET with ${beginningOf(held)}.`);
  }

  ended(): ConversationStep {
    return endedEarly("HTTP", this.#bytes);
  }

  #ask(): ConversationStep {
    const { host, path } = this.#request;
    const text = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
    return { kind: "send", bytes: new TextEncoder().encode(text) };
  }

  #read(line: Uint8Array): ConversationStep {
    const text = Buffer.from(line).toString("latin1");
    const [, status] = STATUS_LINE.exec(text) ?? [];
    if (status === undefined) {
      return otherProtocol("HTTP", `It answered a GET with ${beginningOf(line)}.`);
    }
    const facts: Facts = {
      status: Number(status),
      ...(this.#tls === undefined ? {} : tlsFacts(this.#tls)),
    };
    const evidence = [
      `HTTP status ${status}.`,
      ...(this.#tls === undefined ? [] : [describeTls(this.#tls)]),
    ];
    return { kind: "done", facts, evidence };
  }
}
