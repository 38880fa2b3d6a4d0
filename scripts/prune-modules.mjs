import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

/** What only developers need. Licences stay, whatever their file is called. */
const DEV_FOLDER = /^(\.github|__tests__|tests?|benchmarks?|examples?|e2e|docs)$/;
const DEV_FILE = /\.(map|md|markdown|[mc]?ts|flow)$|^\.|\.lock$/i;
const LICENCE = /licen[cs]e|notice|copying/i;

/** Parts of single modules that the program never loads, below `node_modules`. */
const UNUSED = [
  // Only the `node` entry and its plain WebAssembly file are loaded.
  /^onnxruntime-web\/lib\//,
  /^onnxruntime-web\/dist\/(?!ort\.node\.min\.mjs$|ort-wasm-simd-threaded\.(mjs|wasm)$)/,
  /^onnxruntime-node\/script\//,
  // The build has made it part of the program.
  /^typebox\/build\//,
  // Bundles for browsers.
  /^mqtt\/dist\//,
  // heic.ts loads libheif-wasm/libheif.js and its .wasm.
  /^libheif-js\/(libheif\/libheif\.js|libheif-wasm\/libheif-bundle\.m?js)$/,
  // The C++ it is compiled from. Only the add-on for glibc is loaded.
  /^koffi\/(?!package\.json$|(src\/koffi\/)?index\.c?js$|src\/koffi\/src\/static\.c?js$)/,
  /^@koromix\/koffi-[^/]+\/musl_/,
  // Only what is built for glibc is loaded; npm 9 installs what is for musl beside it.
  /^@img\/sharp-(libvips-)?linuxmusl-/,
  // The plots of `evaluate` are written in one face.
  /^dejavu-fonts-ttf\/(?!ttf\/DejaVuSans\.ttf$|package\.json$)/,
];

/**
 * Removes from a `node_modules` what a box does not need: other platforms, sources, documents.
 * @param modules the folder.
 * @param cpu Node's name of the target ("x64", "arm64").
 */
export function pruneModules(modules, cpu) {
  const unused = [...UNUSED, new RegExp(`^onnxruntime-node/bin/napi-v6/(?!linux/${cpu}/)`)];
  walk(modules);

  function walk(folder) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (DEV_FOLDER.test(entry.name)) rmSync(path, { recursive: true });
        else walk(path);
      } else if (!isNeeded(path, entry.name)) rmSync(path);
    }
    if (folder !== modules && readdirSync(folder).length === 0) rmdirSync(folder);
  }

  function isNeeded(path, base) {
    if (LICENCE.test(base)) return true;
    const name = relative(modules, path).replace(/^.*node_modules\//, '');
    return !DEV_FILE.test(base) && !unused.some((pattern) => pattern.test(name));
  }
}
