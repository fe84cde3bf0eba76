import type { Socket } from "node:net";
import { ControlReader } from "../../lib/tor/control-message.ts";
import type { ControlPlace } from "../../lib/tor/control-place.ts";
import { wordsOf } from "../../lib/tor/control-text.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { type Listening, listening } from "../socks/loopback.ts";
import { answerTo } from "./transcript.ts";

/** What a tor of a test says to a command; undefined for no answer. */
export type Answer = (command: string, socket: Socket) => readonly string[] | string | undefined;

/** A control port of a test's own. */
export interface FakeTor {
  readonly place: ControlPlace;
  /** Every command that came, those of authentication too. */
  readonly commands: string[];
  readonly listening: Listening;
  /** Sends lines unasked, to every controller. */
  tell(...lines: string[]): void;
  /** Hangs up on every controller. */
  hangUp(): void;
}

/** Answers to what every connection begins with, where tor asks for no proof. */
export const open: Answer = (command) => {
  if (command.startsWith("PROTOCOLINFO")) {
    return ["250-PROTOCOLINFO 1", "250-AUTH METHODS=NULL", '250-VERSION Tor="0.4.9.11"', "250 OK"];
  }
  if (command.startsWith("AUTHENTICATE")) return "250 OK";
  if (command === "QUIT") return "250 closing connection";
  return undefined;
};

/**
 * Listens as tor does.
 *
 * @param answer asked first; what it leaves open is answered by `open`, then not at all
 * @param path of a Unix socket, where it listens there
 */
export async function fakeTor(answer: Answer, path?: string): Promise<FakeTor> {
  const commands: string[] = [];
  const server = await listening((socket) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
        const command = text.slice(0, end);
        text = text.slice(end + 2);
        commands.push(command);
        const lines = answer(command, socket) ?? open(command, socket) ?? [];
        const all = typeof lines === "string" ? [lines] : lines;
        if (all.length > 0) socket.write(all.map((line) => `${line}\r\n`).join(""));
        if (command === "QUIT") socket.end();
      }
    });
    socket.on("end", () => socket.end());
  }, path);
  const place = path === undefined ? { host: "127.0.0.1", port: server.port } : { path };
  const all = (act: (socket: Socket) => void): void => {
    for (const socket of server.accepted) if (!socket.destroyed) act(socket);
  };
  return {
    place,
    commands,
    listening: server,
    tell: (...lines) => all((socket) => socket.write(lines.map((line) => `${line}\r\n`).join(""))),
    hangUp: () => all((socket) => socket.destroy()),
  };
}

/** Answers as tor did in a recording, to commands that were given there. */
export function recordedTor(name: "onion" | "info_events" | "ownership"): Answer {
  return (command) => {
    try {
      return answerTo(name, command);
    } catch {
      return undefined;
    }
  };
}

/** Takes onion services as tor does: those of a connection go when it goes. */
export class OnionHost {
  /** Addresses by the connection that holds them, or "detached". */
  readonly held = new Map<string, Socket | "detached">();
  /** Refuses the next services with this line. */
  refusal: string | undefined;

  /** As an `Answer`. */
  readonly answer: Answer = (command, socket) => {
    const [name, argument = ""] = wordsOf(command);
    if (name === "ADD_ONION") return this.#add(argument, command.includes("Detach"), socket);
    if (name === "DEL_ONION") {
      const owner = this.held.get(`${argument}.onion`);
      if (owner !== socket && owner !== "detached") return "552 Unknown Onion Service id";
      this.held.delete(`${argument}.onion`);
      return "250 OK";
    }
    return name === "SETEVENTS" ? "250 OK" : undefined;
  };

  #add(blob: string, detached: boolean, socket: Socket): readonly string[] | string {
    if (this.refusal !== undefined) return this.refusal;
    const key = OnionKey.fromBlob(blob);
    if (this.held.has(key.address)) return "550 Onion address collision";
    this.held.set(key.address, detached ? "detached" : socket);
    if (!detached) socket.once("close", () => this.held.delete(key.address));
    return [`250-ServiceID=${key.address.slice(0, 56)}`, "250 OK"];
  }
}

/** A reader's messages of some lines, for tests of single replies. */
export function messageOf(...lines: string[]): ReturnType<ControlReader["next"]> {
  const reader = new ControlReader();
  reader.push(Buffer.from(lines.map((line) => `${line}\r\n`).join(""), "latin1"));
  return reader.next();
}
