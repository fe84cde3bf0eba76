import { type Clock, realClock } from "../runtime/clock.ts";
import { type ProtocolInfo, parseProtocolInfo } from "./authentication.ts";
import { ControlConnection } from "./control-connection.ts";
import { encodeCommand } from "./control-message.ts";
import { type ControlPlace, openPlace } from "./control-place.ts";
import { TorError } from "./error.ts";

/** Where tor's control port usually is: Debian's socket, tor's own port, Tor Browser's. */
export const controlPlaces: readonly ControlPlace[] = [
  { path: "/run/tor/control" },
  { path: "/var/run/tor/control" },
  { host: "127.0.0.1", port: 9051 },
  { host: "127.0.0.1", port: 9151 },
];

/** Where tor's SOCKS port usually is: tor's own, Tor Browser's. */
export const socksPlaces: readonly ControlPlace[] = [
  { host: "127.0.0.1", port: 9050 },
  { host: "127.0.0.1", port: 9150 },
];

/** Longest wait for one place; what listens on this machine answers in a few milliseconds. */
const PLACE_MS_MAX = 2_000;

/** How to look for tor. */
export interface DetectOptions {
  /** Where to look, best first. @default `controlPlaces` or `socksPlaces` */
  readonly places?: readonly ControlPlace[];
  /** @default realClock */
  readonly clock?: Clock;
  /** Calls the search off. */
  readonly signal?: AbortSignal | undefined;
  /** For each place, in milliseconds. @default 2,000 */
  readonly deadlineMs?: number;
}

/** A control port that was found. */
export interface DetectedControl {
  readonly place: ControlPlace;
  readonly protocol: ProtocolInfo;
}

/**
 * Looks for tor's control port: the first place where something answers PROTOCOLINFO as tor does.
 * Nothing that proves who we are is sent.
 *
 * @param options where to look
 * @returns undefined where there is none
 * @throws TorError `aborted`
 */
export async function detectControl(
  options: DetectOptions = {},
): Promise<DetectedControl | undefined> {
  for (const place of options.places ?? controlPlaces) {
    const protocol = await protocolAt(place, options).catch(nothingThere);
    if (protocol !== undefined) return { place, protocol };
  }
  return undefined;
}

/**
 * Looks for tor's SOCKS port: the first place where something takes a SOCKS5 greeting. Nothing is
 * asked for.
 *
 * @param options where to look
 * @returns undefined where there is none
 * @throws TorError `aborted`
 */
export async function detectSocks(options: DetectOptions = {}): Promise<ControlPlace | undefined> {
  for (const place of options.places ?? socksPlaces) {
    if (await takesSocksGreeting(place, options)) return place;
  }
  return undefined;
}

async function protocolAt(place: ControlPlace, options: DetectOptions): Promise<ProtocolInfo> {
  const { clock = realClock, signal, deadlineMs = PLACE_MS_MAX } = options;
  const connection = await ControlConnection.open({ place, clock, signal, deadlineMs });
  try {
    const command = encodeCommand(["PROTOCOLINFO", "1"]);
    return parseProtocolInfo(await connection.send(command, "PROTOCOLINFO", deadlineMs));
  } finally {
    connection.destroy(new TorError("control-closed", "The look at tor's control port is over."));
  }
}

function nothingThere(error: unknown): undefined {
  if (!(error instanceof TorError) || error.code === "aborted") throw error;
  return undefined;
}

async function takesSocksGreeting(place: ControlPlace, options: DetectOptions): Promise<boolean> {
  const { clock = realClock, signal, deadlineMs = PLACE_MS_MAX } = options;
  const aborted = (): TorError =>
    new TorError("aborted", "The search for tor was called off.", { cause: signal?.reason });
  if (signal?.aborted === true) throw aborted();
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const socket = openPlace(place);
  const onAbort = (): void => reject(aborted());
  const timer = clock.setTimer(clock.now() + deadlineMs, () => resolve(false));
  let answer = "";
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.on("error", () => resolve(false));
  socket.on("close", () => resolve(false));
  socket.once("connect", () => socket.write(Uint8Array.of(5, 1, 0)));
  socket.on("data", (chunk: Uint8Array) => {
    answer += Buffer.from(chunk.subarray(0, 2)).toString("hex");
    if (answer.length >= 4) resolve(answer.startsWith("0500"));
  });
  try {
    return await promise;
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
