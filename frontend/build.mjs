// Builds everything the browser gets into src/careloop/kernel/static/dist/: content-hashed files plus manifest.json.
// The esbuild binary is called directly: it needs no install script and runs without node's wrapper.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join, basename } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "src", "careloop", "kernel", "static", "dist");
const modules = join(here, "node_modules");
// Hospital PCs: the 360 and QQ browsers carry Chromium 86; patients' phones carry WebViews of about the same age.
const target = "chrome86";

function esbuildBinary() {
  const names = { linux: "linux", darwin: "darwin", win32: "win32" };
  const folder = join(modules, "@esbuild", `${names[process.platform]}-${process.arch}`);
  const binary = join(folder, process.platform === "win32" ? "esbuild.exe" : "bin/esbuild");
  if (!existsSync(binary)) throw new Error(`${binary} is missing: run "npm ci" in frontend/ first`);
  return binary;
}

function bundle(entry, outfile, ...more) {
  execFileSync(esbuildBinary(), [
    entry, "--bundle", "--minify", `--target=${target}`, "--charset=utf8", "--log-level=warning",
    "--legal-comments=none", `--outfile=${outfile}`, ...more,
  ], { cwd: here, stdio: ["ignore", "inherit", "inherit"] });
}

// Every file in src/js/staff is part of the staff bundle; a room adds a behaviour by adding a file.
function staffEntry(folder) {
  const files = readdirSync(join(here, "src", "js", "staff")).filter((name) => name.endsWith(".js")).sort();
  const lines = files.filter((name) => name !== "main.js").map((name) => `import ${JSON.stringify(join(here, "src/js/staff", name))};`);
  lines.push(`import ${JSON.stringify(join(here, "src/js/staff/main.js"))};`);
  const entry = join(folder, "staff-entry.js");
  writeFileSync(entry, lines.join("\n"));
  return entry;
}

function sprite() {
  const names = readFileSync(join(here, "icons.txt"), "utf8").split("\n").map((line) => line.trim())
    .filter((line) => line && !line.startsWith("#"));
  const symbols = [...new Set(names)].map((name) => {
    const source = readFileSync(join(modules, "@tabler/icons/icons/outline", `${name}.svg`), "utf8");
    const shapes = source.slice(source.indexOf(">") + 1, source.lastIndexOf("</svg>"))
      .replace(/<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*\/>/g, "").replace(/\s+/g, " ").replace(/> </g, "><").trim();
    return `<symbol id="${name}" viewBox="0 0 24 24">${shapes}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`;
}

const work = mkdtempSync(join(tmpdir(), "frontend-"));
try {
  bundle("src/css/app.css", join(work, "app.css"));
  bundle("src/css/patient.css", join(work, "patient.css"));
  bundle(staffEntry(work), join(work, "staff.js"), "--format=iife");
  bundle("src/js/patient.js", join(work, "patient.js"), "--format=iife");
  bundle("src/js/patient-kinds.js", join(work, "patient-kinds.js"), "--format=iife");
  bundle("src/js/live-worker.js", join(work, "live-worker.js"), "--format=iife");
  bundle("src/js/charts.js", join(work, "charts.js"), "--format=iife");
  writeFileSync(join(work, "sprite.svg"), sprite());

  const manifest = {};
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(work).filter((file) => file !== "staff-entry.js").sort()) {
    const bytes = readFileSync(join(work, name));
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
    manifest[name] = `${basename(name, extname(name))}.${hash}${extname(name)}`;
    writeFileSync(join(out, manifest[name]), bytes);
  }
  writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const [name, file] of Object.entries(manifest)) console.log(`${name.padEnd(16)} ${readFileSync(join(out, file)).length}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
