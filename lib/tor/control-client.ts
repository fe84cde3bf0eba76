import { type Clock, realClock } from "../runtime/clock.ts";
import { type RandomSource, systemRandom } from "../runtime/random.ts";
import {
  type AuthenticationMethod,
  ControlAuthentication,
  type ProtocolInfo,
} from "./authentication.ts";
import type { ClientAuthKey } from "./client-auth.ts";
import { ControlConnection } from "./control-connection.ts";
import { showWhoWeAre } from "./control-login.ts";
import { type ControlReply, encodeCommand } from "./control-message.ts";
import { type ControlPlace, placeText } from "./control-place.ts";
import { quotable, quote } from "./control-text.ts";
import { TorError, type TorErrorCode } from "./error.ts";
import { type BootstrapStatus, parseBootstrap, parseEvent, type TorEvent } from "./event.ts";
import { NewNymPacer } from "./new-nym.ts";
import {
  addOnionWords,
  type ClientCredential,
  keyOf,
  type OnionService,
  type OnionServiceRequest,
  parseAddOnion,
  parseClientAuthView,
  parseListeners,
  serviceIdOf,
} from "./onion-service.ts";

/** Connecting and showing who we are takes milliseconds; a machine under load needs more. */
export const CONTROL_CONNECT_MS_MAX = 10_000;
/** How long tor may take to say goodbye. */
const QUIT_MS_MAX = 1_000;

/** How to get at tor's control port. */
export interface ControlClientOptions {
  readonly place: ControlPlace;
  /** The control password. @default none */
  readonly password?: string | undefined;
  /** Tor's cookie file. @default where tor says */
  readonly cookieFile?: string | undefined;
  /** The one way to show who we are. @default the best that tor takes */
  readonly method?: AuthenticationMethod | undefined;
  /** @default realClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: RandomSource;
  /** Calls the attempt off. */
  readonly signal?: AbortSignal | undefined;
  /** For connecting and authentication together. @default CONTROL_CONNECT_MS_MAX */
  readonly deadlineMs?: number;
}

/** A signal that tor takes. */
export type TorSignal = "RELOAD" | "SHUTDOWN" | "HALT" | "ACTIVE" | "DORMANT" | "CLEARDNSCACHE";

/** What tor did with a client key. */
export type ClientAuthOutcome = "added" | "replaced" | "decrypted";

const clientAuthOutcomes: Readonly<Record<number, ClientAuthOutcome>> = {
  251: "replaced",
  252: "decrypted",
};

interface Subscription {
  readonly types: readonly string[];
  readonly listener: (event: TorEvent) => void;
}

/**
 * A controller of tor.
 *
 * @example
 * ```ts
 * const tor = await ControlClient.connect({ place: { path: "/run/tor/control" } });
 * const { address } = await tor.addOnion({ ports: [{ virtualPort: 80 }] });
 * await tor.close();
 * ```
 */
export class ControlClient {
  /** What tor said about itself. */
  readonly protocol: ProtocolInfo;
  /** How we showed who we are. */
  readonly method: AuthenticationMethod;
  /** Resolves with the reason once the connection is over; never rejects. */
  readonly closed: Promise<TorError>;
  readonly #connection: ControlConnection;
  readonly #pacer: NewNymPacer;
  readonly #subscriptions = new Set<Subscription>();
  /** The last SETEVENTS sent; undefined where it is not known whether tor took it. */
  #subscribed: string | undefined = "";

  private constructor(
    connection: ControlConnection,
    protocol: ProtocolInfo,
    method: AuthenticationMethod,
    clock: Clock,
  ) {
    this.#connection = connection;
    this.protocol = protocol;
    this.method = method;
    this.closed = connection.closed;
    this.#pacer = new NewNymPacer(clock, async () => {
      await this.#ask(["SIGNAL", "NEWNYM"]);
    });
    connection.closed.then(() => this.#pacer.stop());
    connection.onEvent = (message) => this.#tell(parseEvent(message), message.type);
  }

  /**
   * Connects to tor and shows who we are.
   *
   * @param options where tor listens and what we can show it
   * @throws TorError `control-unreachable`, `control-closed`, `deadline`, `aborted`, `not-tor`,
   *   `authentication-impossible`, `password-missing`, `password-wrong`, `cookie-unreadable`,
   *   `cookie-wrong`, `impostor` or `malformed-reply`
   */
  static async connect(options: ControlClientOptions): Promise<ControlClient> {
    const { place, clock = realClock, random = systemRandom, signal } = options;
    const { deadlineMs = CONTROL_CONNECT_MS_MAX } = options;
    const until = clock.now() + deadlineMs;
    const connection = await ControlConnection.open({ place, clock, signal, deadlineMs });
    const callOff = (code: "aborted" | "deadline", how: string): void => {
      const message = `Tor at ${placeText(place)} ${how} while we showed who we are.`;
      connection.destroy(new TorError(code, message, { cause: signal?.reason }));
    };
    const onAbort = (): void => callOff("aborted", "was given up");
    const timer = clock.setTimer(until, () => callOff("deadline", "took too long"));
    signal?.addEventListener("abort", onAbort, { once: true });
    const authentication = new ControlAuthentication({ ...options, random });
    try {
      const protocol = await showWhoWeAre(connection, authentication);
      return new ControlClient(connection, protocol, authentication.method, clock);
    } catch (error) {
      const reason = connection.reason ?? error;
      if (reason instanceof TorError) connection.destroy(reason);
      throw reason;
    } finally {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Asks tor for values.
   *
   * @param keys such as "version" or "status/bootstrap-phase"
   * @returns the values by key, one character a byte; lines of longer ones are joined by LF
   * @throws TorError `command-refused`, with tor's code, for a key that it does not know
   */
  async getInfo(keys: readonly string[]): Promise<Map<string, string>> {
    const reply = await this.#ask(["GETINFO", ...keys]);
    const values = new Map<string, string>();
    for (const { text, data } of reply.lines) {
      const equals = text.indexOf("=");
      if (equals > 0) values.set(text.slice(0, equals), data?.join("\n") ?? text.slice(equals + 1));
    }
    return values;
  }

  /** How far tor has come with joining the network. */
  async bootstrap(): Promise<BootstrapStatus> {
    const key = "status/bootstrap-phase";
    const status = parseBootstrap((await this.getInfo([key])).get(key) ?? "");
    if (status !== undefined) return status;
    throw new TorError("malformed-reply", "Tor did not say how far it has come.");
  }

  /**
   * Where tor listens.
   *
   * @param kind which of its listeners
   */
  async listeners(kind: "socks" | "control" | "httptunnel" | "dns"): Promise<ControlPlace[]> {
    const key = `net/listeners/${kind}`;
    return parseListeners((await this.getInfo([key])).get(key) ?? "");
  }

  /**
   * Has tor tell us of events.
   *
   * @param types such as "HS_DESC", "STATUS_CLIENT", "CIRC", "STREAM", "BW", "NOTICE"
   * @param listener called in order; it must not throw
   * @returns ends it, once tor has answered
   * @throws TorError `command-refused` for a type that tor does not know
   */
  async events(
    types: readonly string[],
    listener: (event: TorEvent) => void,
  ): Promise<() => Promise<void>> {
    const subscription = { types, listener };
    this.#subscriptions.add(subscription);
    try {
      await this.#subscribe();
    } catch (error) {
      this.#subscriptions.delete(subscription);
      throw error;
    }
    return async () => {
      this.#subscriptions.delete(subscription);
      if (this.#connection.reason === undefined) await this.#subscribe();
    };
  }

  /**
   * Adds an onion service, which lasts as long as this connection, or as tor with the flag Detach.
   *
   * @param request what it is made from
   * @returns its address, checked against the key
   * @throws TorError `onion-collision` where tor has it already, `single-hop-refused`,
   *   `address-mismatch`, `key-invalid`, `command-invalid` or `command-refused`
   */
  async addOnion(request: OnionServiceRequest): Promise<OnionService> {
    const pow = request.pow !== undefined && request.pow !== false;
    try {
      return await this.#addOnion(request, pow);
    } catch (error) {
      // A tor that was built without proof of work refuses the words for it.
      const mayLackPow = error instanceof TorError && error.replyCode === 512;
      if (!pow || !mayLackPow) throw error;
      return await this.#addOnion(request, false);
    }
  }

  /**
   * Ends an onion service of this connection's, or a detached one.
   *
   * @param service its name, with or without ".onion"
   * @throws TorError `onion-unknown`
   */
  async delOnion(service: string): Promise<void> {
    await this.#ask(["DEL_ONION", serviceIdOf(service)], { 552: "onion-unknown" });
  }

  /**
   * Gives tor the key with which we are known to an onion service.
   *
   * @param service its name, with or without ".onion"
   * @param key our key
   * @param options `name`: how tor lists it; `permanent`: whether tor writes it to its
   *   ClientOnionAuthDir
   * @returns what tor says it did: `decrypted` where the key opened a descriptor that tor had,
   *   whether or not it replaced another key
   * @throws TorError `command-refused`
   */
  async onionClientAuthAdd(
    service: string,
    key: ClientAuthKey,
    options: { name?: string; permanent?: boolean } = {},
  ): Promise<ClientAuthOutcome> {
    const words = ["ONION_CLIENT_AUTH_ADD", serviceIdOf(service), key.blob()];
    if (options.name !== undefined) words.push(`ClientName=${clientName(options.name)}`);
    if (options.permanent === true) words.push("Flags=Permanent");
    return clientAuthOutcomes[(await this.#ask(words)).code] ?? "added";
  }

  /**
   * Takes such a key away from tor.
   *
   * @param service its name, with or without ".onion"
   * @returns whether tor had one
   */
  async onionClientAuthRemove(service: string): Promise<boolean> {
    const reply = await this.#ask(["ONION_CLIENT_AUTH_REMOVE", serviceIdOf(service)]);
    return reply.code === 250;
  }

  /**
   * Lists the keys with which we are known to onion services.
   *
   * @param service only this one's. Default: all
   */
  async onionClientAuthView(service?: string): Promise<ClientCredential[]> {
    const words = ["ONION_CLIENT_AUTH_VIEW"];
    if (service !== undefined) words.push(serviceIdOf(service));
    return parseClientAuthView(await this.#ask(words));
  }

  /** Has tor use new circuits for new streams; waits where tor would put it off. */
  async newNym(): Promise<void> {
    await this.#pacer.request();
  }

  /** Has tor end when this connection ends, however it does. */
  async takeOwnership(): Promise<void> {
    await this.#ask(["TAKEOWNERSHIP"]);
  }

  /**
   * Has tor fetch an onion service's descriptor; HS_DESC events tell the outcome.
   *
   * @param service its name, with or without ".onion"
   */
  async hsFetch(service: string): Promise<void> {
    await this.#ask(["HSFETCH", serviceIdOf(service)]);
  }

  /**
   * Has tor build a circuit; it is under way when this resolves.
   *
   * @param path the relays' names or fingerprints, the first hop first
   * @returns the circuit's number
   * @throws TorError `command-refused`, `malformed-reply`
   */
  async extendCircuit(path: readonly string[]): Promise<number> {
    const reply = await this.#ask(["EXTENDCIRCUIT", "0", path.join(",")]);
    const number = /^EXTENDED (\d{1,10})$/.exec(reply.lines.at(-1)?.text ?? "")?.[1];
    if (number !== undefined) return Number(number);
    throw new TorError("malformed-reply", "Tor does not say which circuit it builds.");
  }

  /**
   * Has tor close a circuit.
   *
   * @param circuit its number
   * @throws TorError `command-refused` where there is none of that number
   */
  async closeCircuit(circuit: number): Promise<void> {
    await this.#ask(["CLOSECIRCUIT", String(circuit)]);
  }

  /**
   * Sets options of tor's back to their defaults.
   *
   * @param keys names of options
   * @throws TorError `command-refused`
   */
  async resetConf(keys: readonly string[]): Promise<void> {
    await this.#ask(["RESETCONF", ...keys]);
  }

  /**
   * Sends tor a signal; NEWNYM has a method of its own.
   *
   * @param name which
   */
  async signal(name: TorSignal): Promise<void> {
    await this.#ask(["SIGNAL", name]);
  }

  /** Ends the connection, and with it its onion services that are not detached. */
  async close(): Promise<void> {
    const quit = this.#connection.send(encodeCommand(["QUIT"]), "QUIT", QUIT_MS_MAX);
    await quit.catch(() => undefined);
    this.#connection.destroy(new TorError("control-closed", "We closed the connection to tor."));
    await this.closed;
  }

  async #addOnion(request: OnionServiceRequest, pow: boolean): Promise<OnionService> {
    const key = keyOf(request);
    const reply = await this.#ask(addOnionWords(request, pow), { 550: "onion-collision" });
    return parseAddOnion(reply, key, pow);
  }

  async #subscribe(): Promise<void> {
    const types = new Set([...this.#subscriptions].flatMap((one) => one.types));
    const wanted = [...types].sort().join(" ");
    if (wanted === this.#subscribed) return;
    this.#subscribed = wanted;
    try {
      await this.#ask(["SETEVENTS", ...[...types].sort()]);
    } catch (error) {
      this.#subscribed = undefined;
      throw error;
    }
  }

  #tell(event: TorEvent, type: string): void {
    for (const { types, listener } of [...this.#subscriptions]) {
      if (types.includes(type)) listener(event);
    }
  }

  async #ask(
    words: readonly string[],
    refusals: Readonly<Record<number, TorErrorCode>> = {},
  ): Promise<ControlReply> {
    const name = words[0] ?? "";
    const reply = await this.#connection.send(encodeCommand(words), name);
    if (reply.code < 300) return reply;
    const said = quotable(reply.lines.at(-1)?.text ?? "");
    const singleHop = said.startsWith("Tor is in") && said.includes("hidden service mode");
    const code = singleHop ? "single-hop-refused" : (refusals[reply.code] ?? "command-refused");
    throw new TorError(code, `Tor refused ${name}: ${reply.code} ${said}.`, {
      replyCode: reply.code,
    });
  }
}

function clientName(name: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(name)) return name;
  throw new TorError(
    "command-invalid",
    `"${quotable(quote(name.replace(/[\0\r\n]/g, "?")))}" can't name a client; take up to 64 of A-Z, a-z, 0-9, ".", "_" and "-".`,
  );
}
