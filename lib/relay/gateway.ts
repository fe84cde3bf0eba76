import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { formatAddress } from "../address/address.ts";
import type { Clock } from "../runtime/clock.ts";
import { Fault } from "../runtime/fault.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { DaemonLogin } from "./gateway-digest.ts";
import { GatewayError } from "./gateway-error.ts";
import { type DaemonAnswer, DaemonLane } from "./gateway-lane.ts";
import { DaemonOpener } from "./gateway-open.ts";
import type { DaemonPlace, DialDaemon } from "./gateway-place.ts";
import { type HandlingRules, handleRequest, REQUEST_BYTES_MAX } from "./gateway-request.ts";
import { type RouteBody, routeOf } from "./gateway-routes.ts";
import type { JsonObject } from "./rpc-answer.ts";
import { readBody } from "./rpc-body.ts";

/** What a gateway needs. */
export interface GatewayOptions {
  readonly place: DaemonPlace;
  readonly dial: DialDaemon;
  readonly login: DaemonLogin | undefined;
  readonly random: RandomSource;
  readonly clock: Clock;
}

/** How the gateway does, for `/status`. */
export interface GatewayStatus {
  /** `HOST:PORT` */
  readonly daemon: string;
  /** Null while autodetection has found nothing out. */
  readonly tls: boolean | null;
  readonly trusted: boolean;
  /** Wallet connections, each with a stream of its own to the daemon. */
  readonly wallets: number;
  readonly requests: number;
  readonly failures: number;
  /** Of answers' bodies, from the daemon. */
  readonly bytes_in: number;
  /** Of requests' bodies, to the daemon. */
  readonly bytes_out: number;
  /** Why the last request failed; null after one that did not. */
  readonly trouble: string | null;
}

/** Requests of one connection that wait for the one under way: wallets send none ahead. */
const WAITING_MAX = 8;
/** How long a wallet may take for a piece of an answer. */
const WALLET_MS_MAX = 120_000;
const CONTENT_TYPES: Readonly<Record<RouteBody, string>> = {
  json: "application/json",
  "json-rpc": "application/json",
  storage: "application/octet-stream",
};

interface WalletLane {
  readonly lane: DaemonLane;
  /** Settles when every request before has been answered. */
  turn: Promise<void>;
  waiting: number;
}

/**
 * Lets wallets of this node read the chain from a remote daemon. What they send never goes there:
 * transactions leave by the node's own zones, and a request passes only if it is known to read.
 */
export class DaemonGateway {
  readonly #options: GatewayOptions;
  readonly #opener: DaemonOpener;
  readonly #lanes = new Map<Socket, WalletLane>();
  #labels = 0;
  #requests = 0;
  #failures = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #trouble: string | null = null;

  /** @param options the daemon, the way to it, the login */
  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#opener = new DaemonOpener(options.place, options.dial, options.clock);
  }

  /** How it does. */
  get status(): GatewayStatus {
    const { place } = this.#options;
    return {
      daemon: formatAddress(place.address),
      tls: this.#opener.secured ?? null,
      trusted: place.trusted,
      wallets: this.#lanes.size,
      requests: this.#requests,
      failures: this.#failures,
      bytes_in: this.#bytesIn,
      bytes_out: this.#bytesOut,
      trouble: this.#trouble,
    };
  }

  /**
   * Answers a wallet's request, one at a time for each of its connections.
   *
   * @param request of any path but those that the node answers itself
   * @param response written and ended here
   * @param isHidden whether a transaction of this id must not be shown to anybody
   */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    isHidden: HandlingRules["isHidden"],
  ): Promise<void> {
    const wallet = this.#walletOf(request.socket);
    if (wallet.waiting >= WAITING_MAX) {
      answer(response, 503, failed("Too many requests at once on one connection."));
      return;
    }
    const before = wallet.turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    wallet.turn = promise;
    wallet.waiting++;
    try {
      await before;
      await this.#serveNow(request, response, wallet.lane, isHidden);
    } finally {
      wallet.waiting--;
      resolve();
    }
  }

  /** Ends every stream to the daemon. */
  close(): void {
    for (const { lane } of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }

  #walletOf(socket: Socket): WalletLane {
    const known = this.#lanes.get(socket);
    if (known !== undefined) return known;
    this.#labels++;
    const { login, random, clock } = this.#options;
    const lane = new DaemonLane({
      ...{ opener: this.#opener, label: `daemon-${this.#labels}`, login, random, clock },
    });
    const wallet: WalletLane = { lane, turn: Promise.resolve(), waiting: 0 };
    if (socket.destroyed) return wallet;
    this.#lanes.set(socket, wallet);
    socket.once("close", () => {
      this.#lanes.delete(socket);
      lane.close();
    });
    return wallet;
  }

  async #serveNow(
    request: IncomingMessage,
    response: ServerResponse,
    lane: DaemonLane,
    isHidden: HandlingRules["isHidden"],
  ): Promise<void> {
    const [path = ""] = (request.url ?? "").split("?");
    const { method } = request;
    const route = routeOf(path);
    if (route === undefined) {
      const words = `${path.slice(0, 100)} is not passed on to the daemon: only what is known to read the chain is.`;
      return this.#refuse(response, 404, words);
    }
    if (method !== "GET" && method !== "POST") {
      return this.#refuse(response, 405, `${path} takes a POST request.`);
    }
    const { clock, place } = this.#options;
    const body = await readBody(request, REQUEST_BYTES_MAX, clock);
    if (body === undefined) {
      const words = `The request has over ${REQUEST_BYTES_MAX} bytes, or did not arrive in time.`;
      return this.#refuse(response, 413, words);
    }
    const rules: HandlingRules = { trusted: place.trusted, isHidden };
    const handling = handleRequest(path, route, body, rules);
    if (handling.kind === "refuse") return this.#refuse(response, handling.code, handling.reason);
    if (handling.kind === "answer") return answer(response, 200, handling.body);
    const contentType = CONTENT_TYPES[route.body];
    this.#requests++;
    this.#bytesOut += handling.body.length;
    try {
      const found = await lane.ask({ method, path, contentType, body: handling.body });
      await this.#passOn(found, response, contentType);
      this.#trouble = null;
    } catch (error) {
      this.#fail(error, response);
    }
  }

  /** Not passed on. */
  #refuse(response: ServerResponse, code: number, words: string): void {
    this.#failures++;
    this.#trouble = words;
    answer(response, code, failed(words));
  }

  async #passOn(found: DaemonAnswer, response: ServerResponse, contentType: string): Promise<void> {
    const { status, bodyBytes } = found;
    if (status >= 300 && status < 400) {
      throw new GatewayError(
        "bad-answer",
        "peer",
        `The daemon answered with status ${status}; no monerod sends wallets elsewhere.`,
      );
    }
    response.writeHead(status, {
      // The daemon's own word for it could have a browser take it for a page.
      "Content-Type": contentType,
      ...(bodyBytes === undefined ? {} : { "Content-Length": bodyBytes }),
    });
    for (;;) {
      const bytes = await found.next();
      if (bytes === undefined) break;
      this.#bytesIn += bytes.length;
      if (response.destroyed) throw walletGone();
      if (!response.write(bytes)) await this.#taken(response);
    }
    response.end();
  }

  /** Waits until the wallet has taken what was written. */
  #taken(response: ServerResponse): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = (error: GatewayError | undefined): void => {
        timer.cancel();
        response.off("drain", onDrain);
        response.off("close", onClose);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onDrain = (): void => settle(undefined);
      const onClose = (): void => settle(walletGone());
      const timer = clock.setTimer(clock.now() + WALLET_MS_MAX, onClose);
      response.on("drain", onDrain);
      response.on("close", onClose);
    });
  }

  #fail(error: unknown, response: ServerResponse): void {
    if (!(error instanceof Error)) throw error;
    const code = error instanceof Fault ? String(error.code) : "";
    this.#failures++;
    this.#trouble = error.message;
    if (response.headersSent) {
      // The wallet must not take what it has for the whole.
      response.destroy();
      return;
    }
    const status = code === "deadline" ? 504 : 502;
    answer(response, status, failed(`The remote daemon can't be asked: ${error.message}`));
  }
}

function walletGone(): GatewayError {
  return new GatewayError("closed", "local", "The wallet did not take the answer.");
}

function failed(error: string): JsonObject {
  return { status: "Failed", error };
}

function answer(response: ServerResponse, code: number, body: JsonObject): void {
  const text = JSON.stringify(body);
  response.writeHead(code, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    ...(code === 413 ? { Connection: "close" } : {}),
  });
  response.end(text);
}
