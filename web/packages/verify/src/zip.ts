// The files in a ZIP archive, as .npz is one. The platform unpacks them.

import { Refused, concat } from "./bytes.js";

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
/** The end's record, and the longest comment behind it. */
const END_BYTES = 22;
const MOST_COMMENT = 65_535;
const MOST_FILES = 1024;
const MOST_UNPACKED = 256 << 20;
const [STORED, DEFLATED] = [0, 8];

function bad(what: string): Refused {
  return new Refused("bad_input_file", what);
}

/** The files by name, in the archive's order. Throws Refused. */
export async function unzip(archive: Uint8Array): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    return await new Archive(archive).files();
  } catch (error) {
    // What a DataView throws where the archive ends too early.
    if (error instanceof RangeError) throw bad("the archive is cut off");
    throw error;
  }
}

class Archive {
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async files(): Promise<ReadonlyMap<string, Uint8Array>> {
    const end = this.end();
    const count = this.view.getUint16(end + 10, true);
    let place = this.view.getUint32(end + 16, true);
    if (count > MOST_FILES) throw bad(`the archive holds more than ${MOST_FILES} files`);
    const files = new Map<string, Uint8Array>();
    let left = MOST_UNPACKED;
    for (let index = 0; index < count; index++) {
      if (this.view.getUint32(place, true) !== ENTRY) throw bad("the archive is damaged");
      const [name, extra, comment] = [28, 30, 32].map((at) =>
        this.view.getUint16(place + at, true),
      );
      const label = nameOf(this.part(place + 46, name));
      if (files.has(label)) throw bad(`the archive holds "${label}" twice`);
      left -= this.view.getUint32(place + 24, true);
      if (left < 0) throw bad(`the archive unpacks to more than ${MOST_UNPACKED} bytes`);
      files.set(label, await this.file(place, label));
      place += 46 + name + extra + comment;
    }
    return files;
  }

  /** Where the record at the archive's end begins. */
  private end(): number {
    const last = this.bytes.length - END_BYTES;
    for (let at = last; at >= Math.max(0, last - MOST_COMMENT); at--)
      if (this.view.getUint32(at, true) === END) return at;
    throw bad("the file is no ZIP archive");
  }

  private part(begin: number, size: number): Uint8Array {
    if (begin + size > this.bytes.length) throw bad("the archive is cut off");
    return this.bytes.subarray(begin, begin + size);
  }

  /** The file of the directory's entry at `place`. */
  private async file(place: number, label: string): Promise<Uint8Array> {
    const [flags, method] = [8, 10].map((at) => this.view.getUint16(place + at, true));
    const [packed, size] = [20, 24].map((at) => this.view.getUint32(place + at, true));
    const local = this.view.getUint32(place + 42, true);
    if (flags & 1) throw bad(`"${label}" is encrypted`);
    if (this.view.getUint32(local, true) !== LOCAL) throw bad("the archive is damaged");
    const [name, extra] = [26, 28].map((at) => this.view.getUint16(local + at, true));
    const content = this.part(local + 30 + name + extra, packed);
    if (method === STORED && packed === size) return content;
    if (method !== DEFLATED) throw bad(`"${label}" is packed by method ${method}: not supported`);
    // Checksum and size lie in the entry as they do at the end of a gzip file.
    return inflated(content, this.checksum(place, size), size, label);
  }

  private checksum(place: number, size: number): Uint8Array {
    const ending = new Uint8Array(8);
    ending.set(this.part(place + 16, 4));
    new DataView(ending.buffer).setUint32(4, size, true);
    return ending;
  }
}

function nameOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw bad("the archive holds a name that is not UTF-8");
  }
}

/** Unpacked as a gzip file, which every platform reads and checks; bare deflate not every one. */
async function inflated(
  content: Uint8Array,
  ending: Uint8Array,
  size: number,
  label: string,
): Promise<Uint8Array> {
  const gzip = concat(Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255), content, ending);
  const source = new Blob([gzip as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough(new DecompressionStream("gzip")).getReader();
  const whole = new Uint8Array(size);
  let place = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      whole.set(next.value, place);
      place += next.value.length;
    }
  } catch {
    // The stream's own error, or more than the entry says.
    place = -1;
  }
  if (place !== size) throw bad(`"${label}" is damaged`);
  return whole;
}
