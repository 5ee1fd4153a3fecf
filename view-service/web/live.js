// The seats of a performance as they change: the API's event stream, read by hand
// so that its silence can be told from its death, a lost connection is resumed
// with `Last-Event-ID`, and the age of what is shown is always known.

import { ask, pause } from "./api.js";

// The server says something at least every 15 s.
const DEAD_AFTER_MS = 25_000;
const AGE_EVERY_MS = 5000;
const PAUSE_MS = [300, 700, 1500, 3000];
// Older than this is worth a word.
const OLD_S = 5;

export class Live {
  /**
   * `on.map(taken)`: everything; `on.change(states)`: some seats; `on.state({connected, stale, age})`: how
   * good what is shown is; `age` in seconds.
   */
  constructor(path, on) {
    Object.assign(this, { path, on, lastId: null, connected: false, stale: false, age: 0, ended: false, etag: null });
    this.run();
    this.timer = setInterval(() => this.check(), AGE_EVERY_MS);
  }

  end() {
    this.ended = true;
    clearInterval(this.timer);
    this.reader?.abort();
  }

  tell() { if (!this.ended) this.on.state({ connected: this.connected, stale: this.stale || this.age > OLD_S, age: this.age }); }

  async run() {
    for (let tries = 0; !this.ended; ) {
      const began = Date.now();
      try { await this.read(); } catch { /* said below */ }
      if (this.ended) return;
      if (this.connected) { this.connected = false; this.lost = Date.now(); this.tell(); } else this.check();
      tries = Date.now() - began > 5000 ? 0 : tries + 1;
      await pause(PAUSE_MS[Math.min(tries, PAUSE_MS.length - 1)]);
    }
  }

  async read() {
    this.reader = new AbortController();
    let watchdog;
    const alive = () => { clearTimeout(watchdog); watchdog = setTimeout(() => this.reader.abort(), DEAD_AFTER_MS); };
    alive();
    try {
      const headers = { Accept: "text/event-stream", ...(this.lastId && { "Last-Event-ID": this.lastId }) };
      const answer = await fetch(`${this.path}/events`, { headers, signal: this.reader.signal, cache: "no-store" });
      if (!answer.ok) return;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        alive();
        if (!this.connected) { this.connected = true; this.age = 0; this.tell(); this.check(); }
        text += value;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          this.event(text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } finally {
      clearTimeout(watchdog);
      this.reader.abort();
    }
  }

  event(block) {
    const fields = { event: "message", data: "" };
    for (const line of block.split("\n")) {
      const at = line.indexOf(":");
      if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trimStart();
    }
    if (!fields.data || this.ended) return;
    if (fields.id) this.lastId = fields.id;
    const data = JSON.parse(fields.data);
    if (fields.event === "snapshot") {
      this.stale = data.stale;
      this.on.map(data.seats);
    } else if (fields.event === "change") {
      this.stale = false;
      this.on.change(data.seats);
    }
    this.tell();
  }

  // How old the servers' own view is; and the view itself while there is no stream.
  async check() {
    if (this.ended || document.hidden) return;
    try {
      const { status, data, headers } = await ask("GET", this.path, { patience: 0, anonymous: true, headers: this.etag ? { "If-None-Match": this.etag } : {} });
      this.etag = headers.get("ETag");
      this.age = Number(headers.get("Age") || 0);
      if (status === 200) this.stale = data.stale;
      else if (this.age <= OLD_S) this.stale = false;
      if (status === 200 && !this.connected) this.on.map(data.seats);
    } catch {
      this.age = Math.round((Date.now() - (this.lost || Date.now())) / 1000);
      if (!this.connected) this.stale = true;
    }
    this.tell();
  }
}
