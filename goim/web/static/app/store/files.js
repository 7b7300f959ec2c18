// Files of the server: a page cannot show them by their address, as it takes a token, so they are fetched into memory.
import { useEffect, useState } from "../../vendor/preact-htm.js";
import { isPassing } from "../../client/errors.js";

const MOST = 300;

export class Files {
  #client;
  #urls = new Map(); // address → promise of a blob: URL, the latest used last

  constructor(client) {
    this.#client = client;
  }

  clear() {
    for (const url of this.#urls.values()) url.then(URL.revokeObjectURL, () => {});
    this.#urls.clear();
  }

  onceConnected = (work) => this.#client.once("connected").then(work);

  /** Whether it is a file of this server; what is elsewhere is never loaded by itself. */
  isOurs = (address) => typeof address === "string" && /^\/files\/[^/]/.test(address);

  /** A blob: URL of what is at the address. */
  url(address) {
    const kept = this.#urls.get(address) ?? this.#load(address);
    this.#urls.delete(address);
    this.#urls.set(address, kept);
    if (this.#urls.size > MOST) {
      const [oldest, url] = this.#urls.entries().next().value;
      this.#urls.delete(oldest);
      url.then(URL.revokeObjectURL, () => {});
    }
    return kept;
  }

  async #load(address) {
    try {
      const answer = await this.#client.http.fetch(address, { patience: 120_000 });
      return URL.createObjectURL(await answer.blob());
    } catch (error) {
      this.#urls.delete(address);
      throw error;
    }
  }

  /** Save it under a name, as the browser saves any download. */
  async save(address, name) {
    const link = document.createElement("a");
    link.href = await this.url(address);
    link.download = name;
    link.click();
  }
}

/** {url, failed} of a file for a view; nothing is loaded while `address` is "". It has failed if it is not there; what
 * cannot be had now is asked for with the next connection. */
export function useFile(files, address) {
  const [state, setState] = useState({});
  useEffect(() => {
    let isWanted = true;
    const load = () => files.url(address).then((url) => isWanted && setState({ url }), missed);
    const missed = (error) => {
      if (!isWanted) return;
      if (isPassing(error)) files.onceConnected(() => isWanted && load());
      else setState({ failed: true });
    };
    setState({});
    if (files.isOurs(address)) load();
    return () => (isWanted = false);
  }, [address]);
  return state;
}
