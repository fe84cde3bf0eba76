import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Address, isOfZone } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { SocksError } from "../socks/error.ts";
import type { StreamIsolation } from "../socks/isolation.ts";
import { type ConnectivityMode, staysHidden } from "../zone/mode.ts";
import { openDirectly, openStream } from "../zone/open-stream.ts";
import { zoneProfiles } from "../zone/profile.ts";
import type { DescriptorSight, Refusal } from "./classify.ts";
import { type Failure, failedVerdict, type LayerDeadlines } from "./layer.ts";
import type { ProbeEffect, ProbeEvent, ProbeMachine, Walk } from "./machine.ts";
import { tlsFailed } from "./protocol-tls.ts";
import type { ProbeProxy, ProxyGate } from "./proxy-gate.ts";
import { layTlsOver } from "./tls-stream.ts";
import type { TorSight } from "./tor-watch.ts";

/** What carries the streams of probes. */
export interface ProbeRoutes {
  /** Which of a peer's addresses may be dialed; in anonymize mode an open one by tor's gate. */
  readonly mode: ConnectivityMode;
  /** The gate of each zone's proxy. */
  readonly gates: { readonly [Z in Zone]?: ProxyGate | undefined };
  /** Whether addresses of the public zone may be dialed openly; never in a mode that hides. */
  readonly direct: boolean;
  /** tor's control port, where there is one. */
  readonly tor?: TorSight | undefined;
  readonly isolation: StreamIsolation;
  readonly clock: Clock;
}

/** One walk to be made. */
export interface WalkOptions {
  readonly routes: ProbeRoutes;
  readonly machine: ProbeMachine;
  /** The peer's addresses, all of one zone's proxy. */
  readonly addresses: readonly Address[];
  readonly deadlines: LayerDeadlines;
  /** Tells this walk's streams from all others; up to 180 printable characters. */
  readonly label: string;
  readonly signal: AbortSignal;
}

/** What a walk came to, and what the control port told of its descriptor. */
export interface WalkReport {
  readonly walk: Walk;
  readonly descriptor: DescriptorSight | undefined;
}

/** How long a fetch that only explains a failure may take. */
const EXPLAIN_MS = 10_000;

/**
 * Carries out one walk through the layers.
 *
 * @param options what to walk, and how
 * @returns what it came to; a walk that is called off ends with the code `aborted`
 */
export async function walk(options: WalkOptions): Promise<WalkReport> {
  return await new Walker(options).run();
}

/** Carries out what a machine decides; makes no decision of its own. */
class Walker {
  readonly #options: WalkOptions;
  readonly #finished = Promise.withResolvers<Walk>();
  #descriptor: DescriptorSight | undefined;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #step = new AbortController();
  #stream: Duplex | undefined;
  #raw: Socket | undefined;
  #proxy: ProbeProxy | undefined;
  /** Whether a stream was asked for and is neither there nor refused. */
  #opening = false;
  #greeted = false;
  #over = false;

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  async run(): Promise<WalkReport> {
    const { signal, machine, routes } = this.#options;
    const onAbort = (): void => this.#abort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal.aborted) this.#abort();
      else this.#apply(machine.start(routes.clock.now()));
      const walk = await this.#finished.promise;
      return { walk, descriptor: this.#descriptor };
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#over = true;
      this.#timer?.cancel();
      this.#close();
    }
  }

  #abort(): void {
    const verdict = failedVerdict({
      layer: "proxy",
      where: "local",
      code: "aborted",
      evidence: ["The probe was called off."],
      advice: "Probe again.",
    });
    const none = undefined;
    const timings = {
      proxyMs: none,
      openMs: none,
      firstByteMs: none,
      protocolMs: none,
      totalMs: 0,
    };
    this.#finished.resolve({ verdict, facts: {}, timings, attempts: 0 });
  }

  #tell(event: ProbeEvent): void {
    if (this.#over) return;
    const { machine, routes } = this.#options;
    this.#guard(() => this.#apply(machine.handle(event, routes.clock.now())));
  }

  /** What is thrown in a listener would end the process: it is this walk's end. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#finished.reject(error);
    }
  }

  #apply(effects: readonly ProbeEffect[]): void {
    for (const effect of effects) this.#carryOut(effect);
    if (this.#over) return;
    const { machine, routes } = this.#options;
    const at = machine.wakeAt;
    if (at === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = routes.clock.setTimer(at, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#guard(() => this.#apply(machine.wake(routes.clock.now())));
    });
  }

  #carryOut(effect: ProbeEffect): void {
    switch (effect.kind) {
      case "check-proxy":
        this.#begin((signal) => this.#checkProxy(signal));
        return;
      case "check-bootstrap":
        this.#begin((signal) => this.#checkBootstrap(signal));
        return;
      case "open":
        this.#begin((signal) => this.#open(effect.attempt, effect.address, signal));
        return;
      case "write":
        this.#stream?.write(effect.bytes);
        return;
      case "secure":
        this.#secure(effect.serverName);
        return;
      case "close":
        this.#close();
        return;
      case "finish":
        this.#finished.resolve(effect.walk);
    }
  }

  #begin(run: (signal: AbortSignal) => Promise<void>): void {
    this.#step = new AbortController();
    run(this.#step.signal).catch((error: unknown) => this.#finished.reject(error));
  }

  get #zone(): Zone {
    return this.#options.addresses[0]?.zone ?? "public";
  }

  /** The zone whose proxy is asked. */
  get #carrier(): Zone {
    const isExit = this.#options.routes.mode === "anonymize" && this.#zone === "public";
    return isExit ? "tor" : this.#zone;
  }

  async #checkProxy(signal: AbortSignal): Promise<void> {
    const gate = this.#options.routes.gates[this.#carrier];
    const state = await gate?.state();
    if (signal.aborted) return;
    if (state?.kind === "up") {
      this.#proxy = state.proxy;
      this.#tell({ kind: "proxy-up", extendedErrors: state.extendedErrors });
    } else {
      this.#tell({ kind: "unfit", failure: state?.failure ?? noProxy(this.#carrier) });
    }
  }

  async #checkBootstrap(signal: AbortSignal): Promise<void> {
    const { tor } = this.#options.routes;
    const onProgress = (text: string): void => this.#tell({ kind: "progress", text });
    const asked = this.#carrier === "tor" ? tor?.bootstrapped(signal, onProgress) : undefined;
    const failure = await asked;
    if (signal.aborted) return;
    this.#tell(failure === undefined ? { kind: "bootstrapped" } : { kind: "unfit", failure });
  }

  async #open(attempt: number, index: number, signal: AbortSignal): Promise<void> {
    const address = this.#options.addresses[index];
    if (address === undefined) throw new RangeError(`A peer has no address ${index}.`);
    const { tor, gates } = this.#options.routes;
    const followed = address.zone === "tor" ? tor?.follow(address.host) : undefined;
    this.#opening = true;
    this.#greeted = this.#proxy === undefined;
    try {
      const socket = await this.#dial(address, attempt, signal);
      this.#opening = false;
      gates[this.#carrier]?.replied();
      this.#descriptor = followed?.sight() ?? this.#descriptor;
      this.#adopt(socket);
      this.#tell({ kind: "opened" });
      if (this.#stream === socket) socket.resume();
    } catch (error) {
      // Given up by the machine: at its deadline, which the gate wants to know of.
      if (signal.aborted) return;
      this.#opening = false;
      const refusal = refusalOf(error);
      if (refusal.replyCode !== undefined) gates[this.#carrier]?.replied();
      else if (refusal.where === "local") gates[this.#carrier]?.lost();
      const seen = await followed?.settled();
      const descriptor = seen ?? (await this.#explain(refusal, address, signal));
      this.#descriptor = descriptor ?? this.#descriptor;
      if (!signal.aborted) this.#tell({ kind: "refused", refusal, descriptor });
    } finally {
      followed?.stop();
    }
  }

  /** What the control port knows of a descriptor when the reply alone leaves it open. */
  async #explain(
    refusal: Refusal,
    address: Address,
    signal: AbortSignal,
  ): Promise<DescriptorSight | undefined> {
    const { tor, clock } = this.#options.routes;
    const inDoubt: readonly Refusal["code"][] = ["host-unreachable", "general-failure", "rejected"];
    if (tor === undefined || address.zone !== "tor" || !inDoubt.includes(refusal.code)) {
      return undefined;
    }
    const controller = new AbortController();
    const timer = clock.setTimer(clock.now() + EXPLAIN_MS, () => controller.abort());
    try {
      return await tor.fetch(address.host, AbortSignal.any([signal, controller.signal]));
    } finally {
      timer.cancel();
    }
  }

  async #dial(address: Address, attempt: number, signal: AbortSignal): Promise<Socket> {
    const proxy = this.#proxy;
    const { mode } = this.#options.routes;
    const isExit = mode === "anonymize" && address.zone === "public" && proxy !== undefined;
    if (staysHidden(mode) && address.zone === "public" && !isExit) {
      throw new RangeError(`A probe was about to leave ${mode} mode.`);
    }
    if (proxy === undefined) {
      // Only reached where the user allowed it: the machine asks for a proxy in every other case.
      if (!this.#options.routes.direct || !isOfZone(address, "public")) {
        throw new SocksError("request-invalid", `"${address.host}" is not dialed without a proxy.`);
      }
      return await openDirectly(address, signal);
    }
    const { isolation } = this.#options.routes;
    const isolates = this.#carrier === "tor" && zoneProfiles.tor.isolatesStreams;
    const label = `${isExit ? "exit-" : ""}${this.#options.label}-${attempt}`;
    const auth =
      proxy.credentials ??
      (proxy.version === "5" && isolates ? isolation.credentials(label) : undefined);
    const { host, port } = address;
    return await openStream({
      place: proxy.place,
      request: {
        version: proxy.version,
        command: "connect",
        host,
        port,
        ...(auth === undefined ? {} : { auth }),
      },
      signal,
      onGreeted: () => {
        this.#greeted = true;
        this.#tell({ kind: "greeted" });
      },
    });
  }

  #adopt(socket: Socket): void {
    this.#raw = socket;
    this.#listen(socket);
    socket.pause();
  }

  #listen(stream: Duplex): void {
    this.#stream = stream;
    stream.on("data", (bytes: Uint8Array) => {
      if (this.#stream === stream) this.#tell({ kind: "bytes", bytes });
    });
    const ended = (): void => {
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      this.#tell({ kind: "ended" });
    };
    stream.once("end", ended);
    stream.once("close", ended);
    stream.on("error", ended);
  }

  #secure(serverName: string): void {
    const raw = this.#raw;
    if (raw === undefined) return;
    this.#stream = undefined;
    raw.removeAllListeners("data");
    raw.removeAllListeners("end");
    raw.pause();
    const { socket, secured } = layTlsOver(raw, serverName);
    // What an end of the stream means is told by `secured` until the handshake is over.
    socket.on("error", () => {});
    secured.then(
      (stream) => {
        if (this.#raw !== raw) return;
        this.#listen(socket);
        this.#tell({ kind: "secured", stream });
      },
      (error: unknown) => {
        if (this.#raw !== raw) return;
        const reason = error instanceof Error ? error.message : String(error);
        const ended = /ended|disconnected|ECONNRESET/.test(reason);
        this.#tell({ kind: "not-secured", step: tlsFailed(reason.replace(/\.$/, ""), ended) });
      },
    );
  }

  #close(): void {
    if (this.#opening) this.#noteUnanswered();
    this.#opening = false;
    this.#step.abort();
    const raw = this.#raw;
    const stream = this.#stream;
    this.#raw = undefined;
    this.#stream = undefined;
    for (const one of [stream, raw]) {
      one?.on("error", () => {});
      one?.destroy();
    }
  }

  #noteUnanswered(): void {
    const { routes, deadlines, signal } = this.#options;
    if (signal.aborted) return;
    const gate = routes.gates[this.#carrier];
    if (this.#greeted) gate?.unanswered(deadlines.openMs);
    else gate?.lost();
  }
}

function noProxy(zone: Zone): Failure {
  return {
    layer: "proxy",
    where: "config",
    code: "no-proxy",
    evidence: [`No proxy is set for the ${zone} zone.`],
    advice:
      zone === "public"
        ? "Give --proxy IP:PORT, or --direct to dial addresses of the public internet openly."
        : `Give --tx-proxy ${zone},IP:PORT.`,
  };
}

const unreachableCodes: ReadonlySet<string> = new Set(["ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT"]);

function refusalOf(error: unknown): Refusal {
  if (error instanceof SocksError) {
    const { code, where, message, replyCode } = error;
    return { code, where, message, replyCode };
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ECONNREFUSED" || /refused|Failed to connect/i.test(message)) {
    return { code: "direct-refused", where: "peer", message, replyCode: undefined };
  }
  if (unreachableCodes.has(code)) {
    return { code: "direct-unreachable", where: "network", message, replyCode: undefined };
  }
  throw error;
}
