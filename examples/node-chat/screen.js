import { clearLine, createInterface, cursorTo } from 'node:readline';

/** Lines above, a status and what is being typed below. Where input is no terminal: plain lines in and out. */
export class Screen {
  #isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  #readline = createInterface({ input: process.stdin, ...(this.#isTerminal ? { output: process.stdout } : {}) });
  #status = '';

  /** What the user types, line by line, until the end of the input or Ctrl-C. */
  async *lines() {
    this.#readline.on('SIGINT', () => this.#readline.close());
    for await (const line of this.#readline) {
      // The message comes back from the map, which prints it; what was typed would stand there twice.
      if (this.#isTerminal) process.stdout.write('\x1b[1A\x1b[2K\r');
      yield line;
      this.#prompt();
    }
  }

  print(line) {
    this.#wipe();
    console.log(line);
    this.#prompt();
  }

  status(text) {
    if (text === this.#status) return;
    this.#status = text;
    if (!this.#isTerminal) console.log(`* ${text}`);
    this.#readline.setPrompt(`[${text}] > `);
    this.#wipe();
    this.#prompt();
  }

  close() {
    this.#readline.close();
    this.#wipe();
  }

  #wipe() {
    if (!this.#isTerminal) return;
    cursorTo(process.stdout, 0);
    clearLine(process.stdout, 0);
  }

  #prompt() {
    if (this.#isTerminal && !this.#readline.closed) this.#readline.prompt(true);
  }
}
