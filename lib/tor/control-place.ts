import { isIP, connect as openSocket, type Socket } from "node:net";
import { TorError } from "./error.ts";

/** Where tor listens on this machine or beside it: a TCP port at an IP address, or a Unix socket. */
export type ControlPlace =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/**
 * A place as people write it.
 *
 * @param place where
 * @returns `127.0.0.1:9051`, `[::1]:9051` or `unix:/run/tor/control`
 */
export function placeText(place: ControlPlace): string {
  if ("path" in place) return `unix:${place.path}`;
  return `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
}

/**
 * Reads a place as tor and people write it.
 *
 * @param text `127.0.0.1:9051`, `[::1]:9051`, `9051` on 127.0.0.1, or `unix:/run/tor/control`
 * @throws TorError `command-invalid`, also for a host name, since looking it up would be a look-up
 *   outside tor
 */
export function parsePlace(text: string): ControlPlace {
  const path = /^unix:(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const [, bracketed, plain, digits = ""] =
    /^(?:\[([0-9a-f:.]+)\]:|([0-9.]+):)?([0-9]{1,5})$/i.exec(text) ?? [];
  const host = bracketed ?? plain ?? "127.0.0.1";
  const port = Number(digits);
  if (digits === "" || port < 1 || port > 65_535 || isIP(host) === 0) {
    throw new TorError(
      "command-invalid",
      `"${text}" is no place where tor could listen; write IP:PORT or unix:/PATH.`,
    );
  }
  return { host, port };
}

/**
 * Begins to connect to a place: the one way out of this room.
 *
 * @param place where
 * @returns a socket that is connecting
 * @throws TorError `command-invalid` for a host name
 */
export function openPlace(place: ControlPlace): Socket {
  if ("path" in place) return openSocket({ path: place.path });
  if (isIP(place.host) === 0) {
    throw new TorError(
      "command-invalid",
      `"${place.host}" is a name; write tor's IP address, since looking it up could show what is asked.`,
    );
  }
  return openSocket({ host: place.host, port: place.port, noDelay: true });
}
