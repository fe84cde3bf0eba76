import { createServer, type Server, type Socket } from "node:net";
import { RelayError } from "./error.ts";

/** A place on this machine. */
export interface ListeningPlace {
  readonly host: string;
  readonly port: number;
}

/**
 * Listens for peers, or for a hidden service that forwards them.
 *
 * @param place where; port 0 lets the system choose
 * @param option the option that asked for it, for the error
 * @param accept called with each stream
 * @param warn called with what goes wrong later
 * @throws RelayError `listen-failed`
 */
export function listenFor(
  { host, port }: ListeningPlace,
  option: string,
  accept: (socket: Socket) => void,
  warn: (text: string) => void,
): Promise<Server> {
  const server = createServer(accept);
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new RelayError(
          "listen-failed",
          "local",
          `The node can't listen on ${host}:${port} for ${option} (${cause.message}); give another place there, or end what listens on it.`,
          { cause },
        ),
      ),
    );
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      server.on("error", (error) => warn(error.message));
      resolve(server);
    });
  });
}

/**
 * Where a server listens.
 *
 * @param server one that `listenFor` made
 */
export function placeOf(server: Server): ListeningPlace {
  const address = server.address();
  if (address === null || typeof address === "string") return { host: "", port: 0 };
  return { host: address.address, port: address.port };
}
