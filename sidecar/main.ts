// Modules are loaded on demand: as a preStop hook, the sub-command must start fast.
if (import.meta.main) {
  if (process.argv[2] === 'drain') await (await import('./drain-command.ts')).drain()
  else await (await import('./serve.ts')).run()
}
