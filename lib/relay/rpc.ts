import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { isFromThisMachine, refusalOf } from "../address/own-machine.ts";
import type { NetworkName } from "../monero/network.ts";
import { TRANSACTION_BYTES_MAX } from "../monero/transaction.ts";
import type { NoiseSchedule } from "../padding/schedule.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RelayDriver } from "./driver.ts";
import { RelayError } from "./error.ts";
import type { DaemonGateway } from "./gateway.ts";
import {
  getHeight,
  getInfo,
  getTransactionPoolHashes,
  type JsonObject,
  sendRawTransaction,
} from "./rpc-answer.ts";
import { readBody } from "./rpc-body.ts";
import { forgetTransaction } from "./rpc-forget.ts";
import { relayStatus } from "./status.ts";
import type { Verifier } from "./verifier.ts";

/** How the RPC server is set up. */
export interface RpcOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly driver: RelayDriver;
  readonly network: NetworkName;
  readonly schedule: NoiseSchedule;
  readonly clock: Clock;
  /** Answers what a wallet reads, with the chain of a remote daemon. */
  readonly gateway?: DaemonGateway | undefined;
  /** Judges what peers send. */
  readonly verifier?: Verifier | undefined;
}

/** A request's body: the largest transaction in hexadecimal, and room for the JSON around it. */
export const BODY_BYTES_MAX = 2 * TRANSACTION_BYTES_MAX + 4_096;
/** A JSON-RPC id; wallets count or send a word. */
const REQUEST_ID_CHARACTERS_MAX = 256;
/** Connections at the most; a wallet opens one or two. */
const CONNECTIONS_MAX = 100;

/** Never passed on to a remote daemon: these are about the node and its wallets' transactions. */
const ownPaths: ReadonlySet<string> = new Set([
  "/send_raw_transaction",
  "/sendrawtransaction",
  "/status",
  "/forget",
]);

/**
 * How long a connection may rest between two requests. A wallet refreshes every 20 to 90 s, does not
 * expect its daemon to hang up in between, and takes it for gone when it does.
 */
const KEEP_ALIVE_MS = 600_000;

interface Answer {
  readonly code: number;
  readonly body: JsonObject;
}

/** The monerod-compatible RPC of a node, for wallets on the same machine. */
export class RpcServer {
  readonly #options: RpcOptions;
  readonly #server: Server;
  /** Connections without a request under way, the longest idle first. */
  readonly #idle = new Set<Socket>();
  #busy = 0;

  private constructor(options: RpcOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server.on("connection", (socket: Socket) => this.#admit(socket));
  }

  /**
   * Starts listening.
   *
   * @param options where, and for which node
   * @throws RelayError `listen-failed`
   */
  static listen(options: RpcOptions): Promise<RpcServer> {
    const rpc = new RpcServer(options);
    const { host, port } = options;
    return new Promise((resolve, reject) => {
      rpc.#server.once("error", (cause) =>
        reject(
          new RelayError(
            "listen-failed",
            "local",
            `The RPC can't listen on ${host}:${port} (${cause.message}); choose another --rpc-bind-port.`,
            { cause },
          ),
        ),
      );
      rpc.#server.listen({ host, port }, () => {
        rpc.#server.removeAllListeners("error");
        // A connection that could not be taken concerns whoever wanted it, not the node.
        rpc.#server.on("error", () => undefined);
        resolve(rpc);
      });
    });
  }

  /** The port that is listened on. */
  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  /** Stops listening and drops open connections. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#options.gateway?.close();
  }

  /** Idle connections must not keep a wallet out: the one that has been idle longest goes. */
  #admit(socket: Socket): void {
    if (this.#idle.size + this.#busy >= CONNECTIONS_MAX) {
      const [oldest] = this.#idle;
      (oldest ?? socket).destroy();
    }
    this.#idle.add(socket);
    socket.once("close", () => this.#idle.delete(socket));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#idle.delete(socket);
    this.#busy++;
    try {
      await this.#respond(request, response);
    } finally {
      this.#busy--;
      if (!socket.destroyed) this.#idle.add(socket);
    }
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const forbidden = this.#forbidden(request);
    const { gateway, driver } = this.#options;
    if (forbidden === undefined && gateway !== undefined && !ownPaths.has(pathOf(request))) {
      const { pool } = driver.core;
      return await gateway.serve(request, response, (id) => pool.get(id) !== undefined);
    }
    let answer: Answer;
    let body: string;
    try {
      answer = forbidden ?? (await this.#answer(request));
      body = JSON.stringify(answer.body);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      answer = { code: 500, body: { status: "Failed", error: `A bug in anonctl: ${words}` } };
      body = JSON.stringify(answer.body);
    }
    response.writeHead(answer.code, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
      ...(answer.code === 413 ? { Connection: "close" } : {}),
    });
    response.end(body);
  }

  #forbidden(request: IncomingMessage): Answer | undefined {
    const refusal = refusalOf(request.headers, this.#options.host);
    return refusal === undefined ? undefined : failure(403, refusal);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const path = pathOf(request);
    const { driver, network, clock } = this.#options;
    switch (path) {
      case "/send_raw_transaction":
      case "/sendrawtransaction":
        if (request.method !== "POST") return failure(405, `${path} takes a POST request.`);
        return this.#withBody(request, (body) => sendRawTransaction(driver, body, clock.now()));
      case "/get_transaction_pool_hashes":
        return ok(getTransactionPoolHashes(driver.core));
      case "/get_height":
      case "/getheight":
        return ok(getHeight(driver.core));
      case "/get_info":
      case "/getinfo":
        return ok(getInfo(driver.core, network));
      case "/json_rpc":
        return this.#withBody(request, (body) => this.#jsonRpc(body));
      case "/forget":
        return await this.#forget(request);
      case "/status":
        // Peers, transactions and the ticks to come are the user's own to know.
        if (!isFromThisMachine(request.socket)) {
          return failure(403, "/status is answered to programs on the node's own machine only.");
        }
        return ok(this.#status());
    }
    return failure(
      404,
      `${path} is not served: this node has /send_raw_transaction, /get_transaction_pool_hashes, /get_info, /get_height, /json_rpc, /status and /forget.`,
    );
  }

  #jsonRpc(body: JsonObject): JsonObject {
    const envelope = { id: requestId(body["id"]), jsonrpc: "2.0" };
    const { driver, network } = this.#options;
    switch (body["method"]) {
      case "get_info":
        return { ...envelope, result: getInfo(driver.core, network) };
      case "get_block_count":
      case "getblockcount": {
        const { height, status } = getHeight(driver.core);
        return { ...envelope, result: { count: height, status, untrusted: false } };
      }
      default:
        return { ...envelope, error: { code: -32601, message: "Method not found" } };
    }
  }

  #status(): JsonObject {
    const { driver, network, schedule, clock, gateway, verifier } = this.#options;
    const { pool, intake } = driver.core;
    pool.expire(clock.unixMs());
    const { waiting } = intake;
    return {
      ...relayStatus(driver, network, schedule, clock.now()),
      ...(gateway && { daemon: gateway.status }),
      ...(verifier && {
        verifier: { ...verifier.status, waiting: waiting.count, waiting_bytes: waiting.bytes },
      }),
    };
  }

  async #forget(request: IncomingMessage): Promise<Answer> {
    if (request.method !== "POST") return failure(405, "/forget takes a POST request.");
    if (!isFromThisMachine(request.socket)) {
      return failure(403, "/forget is for programs on the node's own machine only.");
    }
    const bad = failure(400, "/forget needs the transaction's id, 64 lower-case digits, in id.");
    const { driver } = this.#options;
    return await this.#withBody(request, (body) => forgetTransaction(driver, body), bad);
  }

  async #withBody(
    request: IncomingMessage,
    answer: (body: JsonObject) => JsonObject | undefined,
    otherwise: Answer = failure(400, "The request's body is not what is asked for."),
  ): Promise<Answer> {
    const bytes = await readBody(request, BODY_BYTES_MAX, this.#options.clock);
    if (bytes === undefined) {
      return failure(
        413,
        `The request has over ${BODY_BYTES_MAX} bytes, or did not arrive in time.`,
      );
    }
    const text = Buffer.from(bytes).toString("utf8");
    let body: unknown;
    try {
      body = JSON.parse(text === "" ? "{}" : text);
    } catch {
      return failure(400, "The request's body is not JSON.");
    }
    if (!isJsonObject(body)) return failure(400, "The request's body is not a JSON object.");
    const found = answer(body);
    return found === undefined ? otherwise : ok(found);
  }
}

/** What JSON-RPC lets a client choose, as long as it is small; anything else comes back as 0. */
function requestId(id: unknown): string | number {
  if (typeof id === "number") return id;
  return typeof id === "string" && id.length <= REQUEST_ID_CHARACTERS_MAX ? id : 0;
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").split("?")[0] ?? "";
}

function ok(body: JsonObject): Answer {
  return { code: 200, body };
}

function failure(code: number, error: string): Answer {
  return { code, body: { status: "Failed", error } };
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
