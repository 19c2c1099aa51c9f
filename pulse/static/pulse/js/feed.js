// The live feed: one WebSocket, state then numbered changes; asks for the state again after a gap, comes back by
// itself after a break. It tells of what arrives and knows nothing of what it means.

const PROTOCOL = "pulse.delta.v1";
const FIRST_WAIT_SECONDS = 0.5;
const LONGEST_WAIT_SECONDS = 30;
/** The server speaks at least every 30 seconds; after this long without a word the line is dead. */
const SILENCE_SECONDS = 75;
/** An answer to a question for the state that takes longer is asked for again. */
const ANSWER_SECONDS = 10;
/** A hidden tab hangs up after this long and asks anew when it is looked at again. */
const HIDDEN_SECONDS = 300;

/**
 * Returns seconds until the next try: from half a second up to a bound that doubles, so that many pages do not come at
 * once. `chance` is 0 to 1.
 */
export function waitSeconds(failures, chance) {
  const bound = Math.min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (failures + 1));
  return FIRST_WAIT_SECONDS + chance * (bound - FIRST_WAIT_SECONDS);
}

export class Feed {
  #url;
  #tell;
  #socket = null;
  #failures = 0;
  #seq = null;
  #askedAt = 0;
  #retry = 0;
  #silence = 0;
  #hangUp = 0;
  #queue = Promise.resolve();

  /**
   * `tell` has `state(state)`, `changes(message)` which returns false when it could not apply them,
   * `message(message)` for everything else, and `link(word)`: "live", "connecting" or "refused".
   */
  constructor(url, tell) {
    this.#url = url;
    this.#tell = tell;
    document.addEventListener("visibilitychange", () => this.#look());
    addEventListener("online", () => this.#retryNow());
    addEventListener("pageshow", (event) => event.persisted && this.#retryNow());
    this.#connect();
  }

  /** Asks for the whole state. */
  ask() {
    this.#seq = null;
    this.#askedAt = performance.now();
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('{"type":"requestData"}');
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#seq = null;
    this.#askedAt = performance.now();
    const socket = new WebSocket(this.#url, PROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#listen();
    let wasOpen = false;
    socket.addEventListener("open", () => (wasOpen = true));
    socket.addEventListener("message", (event) => this.#receive(socket, event.data));
    socket.addEventListener("close", () => this.#closed(socket, wasOpen));
  }

  #closed(socket, wasOpen) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#silence);
    this.#tell.link(wasOpen ? "connecting" : "refused");
    if (document.hidden && this.#hangUp < 0) return; // hung up on purpose
    const seconds = waitSeconds(this.#failures, Math.random());
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), seconds * 1000);
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#drop(), SILENCE_SECONDS * 1000);
  }

  /** Gives up a line that may be dead without saying so: its close event can take minutes. */
  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    socket.close();
    this.#closed(socket, true);
  }

  #receive(socket, data) {
    this.#listen();
    if (document.hidden) {
      this.#seq = null; // what is not read is asked for when somebody looks again
      return;
    }
    this.#queue = this.#queue
      .then(() => read(data))
      .then((message) => socket === this.#socket && this.#take(message))
      .catch((error) => {
        console.warn("A message of the feed could not be used", error);
        this.#drop();
      });
  }

  #take(message) {
    if (message.type === "state") {
      this.#seq = message.seq;
      this.#failures = 0;
      this.#tell.state(message.state);
      this.#tell.link("live");
    } else if (message.type === "changes") {
      this.#takeChanges(message);
    } else {
      if (message.type === "ping") this.#pong();
      this.#tell.message(message);
    }
  }

  #takeChanges(message) {
    if (this.#seq === null) {
      // The state is on its way; should it have been lost, it is asked for once more.
      if (performance.now() - this.#askedAt > ANSWER_SECONDS * 1000) this.ask();
    } else if (message.seq === this.#seq + 1 && this.#tell.changes(message)) {
      this.#seq = message.seq;
    } else {
      this.ask();
    }
  }

  #pong() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ type: "pong", data: { timestamp: Date.now() } }));
  }

  #look() {
    if (document.hidden) {
      this.#hangUp = setTimeout(() => {
        this.#hangUp = -1;
        clearTimeout(this.#retry);
        this.#socket?.close();
      }, HIDDEN_SECONDS * 1000);
      return;
    }
    clearTimeout(this.#hangUp);
    this.#hangUp = 0;
    if (this.#socket?.readyState === WebSocket.OPEN) this.ask();
    else this.#retryNow();
  }

  #retryNow() {
    if (this.#socket && this.#socket.readyState <= WebSocket.OPEN) return;
    this.#failures = 0;
    this.#connect();
  }
}

/** Returns the object of a frame: gzip of JSON when binary, plain JSON when text. */
export async function read(data) {
  if (typeof data === "string") return JSON.parse(data);
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}
