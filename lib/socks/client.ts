import { isIP, connect as openSocket, type Socket } from "node:net";
import type { Clock, Timer } from "../runtime/clock.ts";
import { SocksClientHandshake } from "./client-handshake.ts";
import { SocksError } from "./error.ts";
import { type SocksReply, type SocksRequest, targetOf } from "./message.ts";

/** Where a proxy listens: a TCP port at an IP address, or a Unix socket. */
export type SocksProxy =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** Limits of a handshake; none of them outlives it. */
export interface SocksHandshakeOptions {
  /** Ends the attempt; without effect once the stream is there. */
  readonly signal?: AbortSignal | undefined;
  /** How long the handshake may take, in milliseconds from the call. */
  readonly deadlineMs: number;
  /** Measures the deadline. */
  readonly clock: Clock;
}

/** What {@link connectThroughSocks} needs to know. */
export interface SocksConnectOptions extends SocksHandshakeOptions {
  /** The proxy; a host name is refused, because looking it up would be a look-up outside it. */
  readonly proxy: SocksProxy;
  /** What to ask. */
  readonly request: SocksRequest;
}

/** How a handshake ended. */
export interface SocksHandshakeResult {
  readonly reply: SocksReply;
  /** Bytes of the stream that came along with the reply. */
  readonly rest: Uint8Array;
}

/**
 * Holds a SOCKS conversation over a socket that is connected to a proxy.
 *
 * The socket comes back paused and without listeners of ours; `rest` is not put back into it. When
 * the promise is rejected, the socket is destroyed.
 *
 * @param socket connected, with nothing read from it yet
 * @param request what to ask
 * @param options limits
 * @throws SocksError what the proxy's refusal stands for, `malformed-reply`, `overlong-reply`,
 *   `auth-refused`, `no-acceptable-method`, `proxy-closed`, `deadline`, `aborted`, `request-invalid`
 */
export function handshakeOver(
  socket: Socket,
  request: SocksRequest,
  options: SocksHandshakeOptions,
): Promise<SocksHandshakeResult> {
  return new Promise((resolve, reject) => {
    const conversation = new Conversation(request, options, resolve, reject);
    conversation.begin(socket, true);
  });
}

/**
 * Opens a stream through a proxy. Names are never looked up here: they travel in the request.
 *
 * @param options the proxy, the request and the limits, which cover connecting to the proxy too
 * @returns the stream: paused, to be read from its first byte on, and with `allowHalfOpen` over
 *   TCP. Over a Unix socket it ends both ways at once: Bun loses what comes after our own end there.
 * @throws SocksError as {@link handshakeOver}, or `proxy-unreachable`
 *
 * @example
 * ```ts
 * const stream = await connectThroughSocks({
 *   proxy: { host: "127.0.0.1", port: 9050 },
 *   request: { version: "5", command: "connect", host: "example.onion", port: 80 },
 *   deadlineMs: 60_000,
 *   clock: realClock,
 * });
 * ```
 */
export async function connectThroughSocks(options: SocksConnectOptions): Promise<Socket> {
  const { socket, rest } = await converse(options);
  if (rest.length > 0) socket.unshift(rest);
  return socket;
}

/**
 * Looks a name or an address up through a Tor proxy, which closes the connection afterwards.
 *
 * @param options the request's command is `resolve` or `resolve-ptr`
 * @returns the reply: an IP address or a name
 * @throws SocksError as {@link connectThroughSocks}
 * @see tor `socks-extensions.txt`, section 2
 */
export async function resolveThroughSocks(options: SocksConnectOptions): Promise<SocksReply> {
  const { socket, reply } = await converse(options);
  socket.on("error", () => {});
  socket.destroy();
  return reply;
}

function converse(
  options: SocksConnectOptions,
): Promise<SocksHandshakeResult & { readonly socket: Socket }> {
  return new Promise((resolve, reject) => {
    checkProxy(options.proxy);
    const conversation = new Conversation(options.request, options, resolve, reject);
    if (options.signal?.aborted) throw abortedBy(options.signal);
    conversation.begin(openProxy(options.proxy), false);
  });
}

function checkProxy(proxy: SocksProxy): void {
  if ("path" in proxy || isIP(proxy.host) !== 0) return;
  throw new SocksError(
    "request-invalid",
    `Proxy host "${proxy.host}" is a name; write its IP address, since looking it up could show what is asked.`,
  );
}

function openProxy(proxy: SocksProxy): Socket {
  return "path" in proxy
    ? openSocket({ path: proxy.path })
    : openSocket({ host: proxy.host, port: proxy.port, allowHalfOpen: true, noDelay: true });
}

function abortedBy(signal: AbortSignal): SocksError {
  return new SocksError("aborted", "The connection attempt was called off.", {
    cause: signal.reason,
  });
}

/** Carries a handshake out over a socket, and takes its listeners away at the end. */
class Conversation {
  readonly #request: SocksRequest;
  readonly #handshake: SocksClientHandshake;
  readonly #options: SocksHandshakeOptions;
  readonly #resolve: (result: SocksHandshakeResult & { readonly socket: Socket }) => void;
  readonly #reject: (error: SocksError) => void;
  #socket: Socket | undefined;
  #timer: Timer | undefined;
  #connected = false;

  constructor(
    request: SocksRequest,
    options: SocksHandshakeOptions,
    resolve: (result: SocksHandshakeResult & { readonly socket: Socket }) => void,
    reject: (error: SocksError) => void,
  ) {
    this.#request = request;
    this.#handshake = new SocksClientHandshake(request);
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(socket: Socket, connected: boolean): void {
    const { clock, deadlineMs, signal } = this.#options;
    this.#socket = socket;
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
    socket.on("end", this.#onClose);
    socket.on("data", this.#onData);
    signal?.addEventListener("abort", this.#onAbort);
    this.#timer = clock.setTimer(clock.now() + deadlineMs, this.#onDeadline);
    if (signal?.aborted) this.#onAbort();
    else if (connected) this.#onConnect();
    else socket.on("connect", this.#onConnect);
  }

  readonly #onConnect = (): void => {
    this.#connected = true;
    this.#socket?.write(this.#handshake.start());
  };

  readonly #onData = (chunk: Uint8Array): void => {
    const socket = this.#socket;
    if (socket === undefined) return;
    try {
      const step = this.#handshake.receive(chunk);
      if (step.kind === "send") socket.write(step.bytes);
      if (step.kind !== "done") return;
      // Paused before our listener goes, so that no byte passes while nobody listens.
      socket.pause();
      this.#letGo(socket);
      this.#resolve({ socket, reply: step.reply, rest: step.rest });
    } catch (error) {
      this.#fail(error instanceof SocksError ? error : this.#closed(error));
    }
  };

  readonly #onError = (cause: Error): void => {
    this.#fail(this.#connected ? this.#closed(cause) : this.#unreachable(cause));
  };

  readonly #onClose = (): void => {
    this.#fail(this.#connected ? this.#closed(undefined) : this.#unreachable(undefined));
  };

  readonly #onAbort = (): void => {
    if (this.#options.signal) this.#fail(abortedBy(this.#options.signal));
  };

  readonly #onDeadline = (): void => {
    const target = targetOf(this.#request);
    const seconds = this.#options.deadlineMs / 1000;
    const waitsForTarget = this.#connected && this.#handshake.stage === "reply";
    this.#fail(
      new SocksError(
        "deadline",
        waitsForTarget
          ? `The proxy did not reach ${target} within ${seconds} s; try again or allow more time.`
          : `The proxy for ${target} did not answer within ${seconds} s; check that it runs.`,
        { where: waitsForTarget ? "network" : "local" },
      ),
    );
  };

  #closed(cause: unknown): SocksError {
    return new SocksError(
      "proxy-closed",
      `The proxy closed the connection while it was asked for ${targetOf(this.#request)}; check that its port is a SOCKS port.`,
      { cause },
    );
  }

  #unreachable(cause: Error | undefined): SocksError {
    return new SocksError(
      "proxy-unreachable",
      `The proxy for ${targetOf(this.#request)} can't be reached (${cause?.message ?? "it closed"}); start it or correct its address.`,
      { cause },
    );
  }

  #fail(error: SocksError): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#letGo(socket);
    // Errors that come while the socket closes have nobody else to go to.
    socket.on("error", () => {});
    socket.destroy();
    this.#reject(error);
  }

  #letGo(socket: Socket): void {
    this.#socket = undefined;
    this.#timer?.cancel();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    socket.off("connect", this.#onConnect);
    socket.off("error", this.#onError);
    socket.off("close", this.#onClose);
    socket.off("end", this.#onClose);
    socket.off("data", this.#onData);
  }
}
