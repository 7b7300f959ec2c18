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

  /** A blob: URL of what is at the address. What is to fade is not kept, by the browser neither: who asked revokes it. */
  url(address, isFading = false) {
    if (isFading) return this.blob(address, true).then(URL.createObjectURL);
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

  async blob(address, isFading = false) {
    const cache = isFading ? "no-store" : "default";
    return (await this.#client.http.fetch(address, { cache, patience: 120_000 })).blob();
  }

  async #load(address) {
    try {
      return URL.createObjectURL(await this.blob(address));
    } catch (error) {
      this.#urls.delete(address);
      throw error;
    }
  }

  /** Save it under a name, as the browser saves any download. */
  async save(address, name, isFading) {
    const link = document.createElement("a");
    link.href = await this.url(address, isFading);
    link.download = name;
    link.click();
    if (isFading) setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser has read it by then
  }
}

/** {url, failed} of a file for a view; nothing is loaded while `address` is "". It has failed if it is not there; what
 * cannot be had now is asked for with the next connection. What is to fade is gone with the view. */
export function useFile(files, address, isFading = false) {
  const [state, setState] = useState({});
  useEffect(() => {
    let isWanted = true;
    let own = "";
    const show = (url) => {
      if (isFading) own = url;
      if (isWanted) setState({ url });
      else URL.revokeObjectURL(own);
    };
    const load = () => files.url(address, isFading).then(show, missed);
    const missed = (error) => {
      if (!isWanted) return;
      if (isPassing(error)) files.onceConnected(() => isWanted && load());
      else setState({ failed: true });
    };
    setState({});
    if (files.isOurs(address)) load();
    return () => {
      isWanted = false;
      URL.revokeObjectURL(own);
    };
  }, [address]);
  return state;
}
