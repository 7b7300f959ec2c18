// What can go wrong for a client.

/** The server said no. `code` is one of the error codes of the protocol, `message` is for people. */
export class GoimError extends Error {
  constructor({ code = "INTERNAL", message, detail, convId, retryAfterMs }) {
    super(message || detail || code);
    this.name = "GoimError";
    this.code = code;
    this.convId = convId;
    this.retryAfterMs = retryAfterMs;
  }
}

/** There is no server, or it did not answer as one. */
export class Unreachable extends Error {
  name = "Unreachable";
}

/** The server has ended this session for good. `code` is the close code, or 401. */
export class SessionOver extends Error {
  name = "SessionOver";

  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** This browser has no WebRTC, or it is switched off there. */
export class NoCalls extends Error {
  name = "NoCalls";
}

/** Close codes after which a client must not come back by itself. */
export const FOR_GOOD = {
  4001: "the server ended this session",
  4002: "the server does not understand this client",
  4009: "this device connected from elsewhere",
  4010: "this device was removed",
};

/** Refusals that mean "not now". */
export const isPassing = (error) =>
  error instanceof Unreachable || (error instanceof GoimError && ["RATE_LIMIT", "UNAVAILABLE"].includes(error.code));
