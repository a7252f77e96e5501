// Only what is needed is loaded: as a preStop hook, the sub-command is in a hurry.
if (import.meta.main) {
  if (process.argv[2] === 'drain') await (await import('./drain-command.ts')).drain()
  else await (await import('./serve.ts')).run()
}
