import { connect, isIP, type Socket } from "node:net";
import type { Address } from "../address/address.ts";
import { SocksClientHandshake, type SocksClientStage } from "../socks/client-handshake.ts";
import { SocksError } from "../socks/error.ts";
import type { SocksRequest } from "../socks/message.ts";
import type { ProxyPlace } from "./option.ts";

/** How a stream is opened step by step. */
export interface OpenStreamOptions {
  readonly place: ProxyPlace;
  readonly request: SocksRequest;
  /** Ends the attempt; its caller keeps the deadlines. Without effect once the stream is there. */
  readonly signal: AbortSignal;
  /** Told when the proxy has greeted and the request is on its way. */
  readonly onGreeted: () => void;
}

/**
 * Opens a stream through a proxy, telling when the proxy has answered and when its network has, so
 * that a prober can time both and blame the right one. Has no timer of its own.
 *
 * @param options the proxy and the request
 * @returns an open, paused stream
 * @throws SocksError what the proxy's refusal stands for, `proxy-unreachable`, `proxy-closed`,
 *   `aborted`, `request-invalid`
 */
export function openStream(options: OpenStreamOptions): Promise<Socket> {
  const { place, request, signal, onGreeted } = options;
  const target = `${request.host}:${request.port}`;
  return new Promise((resolve, reject) => {
    if ("host" in place && isIP(place.host) === 0) {
      throw new SocksError(
        "request-invalid",
        `Proxy host "${place.host}" is a name; write its IP.`,
      );
    }
    const handshake = new SocksClientHandshake(request);
    signal.throwIfAborted();
    const socket = "path" in place ? connect({ path: place.path }) : connectTo(place);
    const attempt: Attempt = new Attempt(socket, signal, reject, (cause) =>
      closedBy(cause, attempt.connected, place, target),
    );
    let greeted: SocksClientStage | undefined;
    const tellStage = (): void => {
      if (handshake.stage === "reply" && greeted !== "reply") onGreeted();
      greeted = handshake.stage;
    };
    attempt.begin({
      onConnect: () => {
        socket.write(handshake.start());
        // SOCKS4 has no greeting: the connection itself is all that can be told apart.
        tellStage();
      },
      onData: (chunk) => {
        const step = handshake.receive(chunk);
        if (step.kind === "send") socket.write(step.bytes);
        tellStage();
        if (step.kind !== "done") return;
        socket.pause();
        attempt.letGo();
        if (step.rest.length > 0) socket.unshift(step.rest);
        resolve(socket);
      },
    });
  });
}

/**
 * Opens a stream without any proxy, to an IP address that the user has asked to be dialed openly.
 *
 * @param address of the public zone; a DNS name is refused, since nothing here asks a resolver
 * @param signal ends the attempt
 * @returns an open, paused stream
 * @throws SocksError `request-invalid` for a name; else the system's error
 */
export function openDirectly(address: Address<"public">, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (isIP(address.host) === 0) {
      throw new SocksError(
        "request-invalid",
        `"${address.host}" is a name, and names are resolved only by a proxy; give --proxy, or an IP address.`,
      );
    }
    signal.throwIfAborted();
    const socket = connectTo(address);
    const attempt: Attempt = new Attempt(
      socket,
      signal,
      reject,
      (cause) => cause ?? new Error("it closed"),
    );
    attempt.begin({
      onConnect: () => {
        socket.pause();
        attempt.letGo();
        resolve(socket);
      },
      onData: () => {},
    });
  });
}

function connectTo({ host, port }: { readonly host: string; readonly port: number }): Socket {
  return connect({ host, port, allowHalfOpen: true, noDelay: true });
}

function closedBy(
  cause: Error | undefined,
  connected: boolean,
  place: ProxyPlace,
  target: string,
): Error {
  const where = "path" in place ? place.path : `${place.host}:${place.port}`;
  return connected
    ? new SocksError(
        "proxy-closed",
        `The proxy at ${where} closed the connection while it was asked for ${target}.`,
        { cause },
      )
    : new SocksError(
        "proxy-unreachable",
        `The proxy at ${where} can't be reached (${cause?.message ?? "it closed"}).`,
        { cause },
      );
}

interface AttemptListeners {
  readonly onConnect: () => void;
  readonly onData: (chunk: Uint8Array) => void;
}

/** The listeners of a socket that is being opened, and their removal at either end. */
class Attempt {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  readonly #reject: (error: unknown) => void;
  readonly #closed: (cause: Error | undefined) => Error;
  #listeners: AttemptListeners | undefined;
  connected = false;

  constructor(
    socket: Socket,
    signal: AbortSignal,
    reject: (error: unknown) => void,
    closed: (cause: Error | undefined) => Error,
  ) {
    this.#socket = socket;
    this.#signal = signal;
    this.#reject = reject;
    this.#closed = closed;
  }

  begin(listeners: AttemptListeners): void {
    this.#listeners = listeners;
    const socket = this.#socket;
    socket.on("connect", this.#onConnect);
    socket.on("data", this.#onData);
    socket.on("error", this.#onError);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onEnd);
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  letGo(): void {
    const socket = this.#socket;
    this.#listeners = undefined;
    socket.off("connect", this.#onConnect);
    socket.off("data", this.#onData);
    socket.off("error", this.#onError);
    socket.off("end", this.#onEnd);
    socket.off("close", this.#onEnd);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onConnect = (): void => {
    this.connected = true;
    this.#listeners?.onConnect();
  };

  readonly #onData = (chunk: Uint8Array): void => {
    try {
      this.#listeners?.onData(chunk);
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly #onError = (cause: Error): void => this.#fail(this.#closed(cause));
  readonly #onEnd = (): void => this.#fail(this.#closed(undefined));
  readonly #onAbort = (): void =>
    this.#fail(new SocksError("aborted", "The attempt was called off."));

  #fail(error: unknown): void {
    if (this.#listeners === undefined) return;
    this.letGo();
    // Errors that come while the socket closes have nobody else to go to.
    this.#socket.on("error", () => {});
    this.#socket.destroy();
    this.#reject(error);
  }
}
