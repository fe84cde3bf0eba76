/**
 * How the options of one remote daemon are called: a node may have one for its wallets and another
 * that checks what peers send, and a message must name the option that mends it.
 */
export interface DaemonOptionNames {
  /** Where the daemon is. */
  readonly url: string;
  readonly proxy: string;
  readonly direct: string;
  readonly certFile: string;
  readonly loginFile: string;
  /** What to do where the daemon speaks no TLS, as the end of a sentence. */
  readonly withoutTls: string;
}

/** Of the daemon that wallets read from. */
export const walletDaemonNames: DaemonOptionNames = {
  url: "--daemon",
  proxy: "--daemon-proxy",
  direct: "--daemon-direct",
  certFile: "--daemon-cert-file",
  loginFile: "--daemon-login-file",
  withoutTls: "give --daemon-ssl disabled",
};

/** Of the daemon that checks what peers send. */
export const verifierNames: DaemonOptionNames = {
  url: "--verify-with",
  proxy: "--verify-proxy",
  direct: "--verify-direct",
  certFile: "--verify-cert-file",
  loginFile: "--verify-login-file",
  withoutTls: "write http:// in --verify-with",
};
