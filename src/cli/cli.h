/* The `gesso` command: one function for each noun. main.c picks it and hands on the arguments that
 * follow; argv[0] is then the text to show in usage lines ("gesso doc") and argv[1] the verb.
 *
 * Each returns the exit status:
 *   0  done
 *   1  the input, the board or the data folder is at fault; stderr says what, and what to do next
 *   2  the command line is at fault; stderr names the option and points at --help */
#ifndef GS_CLI_CLI_H
#define GS_CLI_CLI_H

#define GS_EXIT_OK 0
#define GS_EXIT_FAILED 1
#define GS_EXIT_USAGE 2

int gs_cli_serve(int argc, char **argv);
int gs_cli_doc(int argc, char **argv);
int gs_cli_board(int argc, char **argv);
int gs_cli_history(int argc, char **argv);
int gs_cli_backup(int argc, char **argv);
int gs_cli_restore(int argc, char **argv);
int gs_cli_check(int argc, char **argv);
int gs_cli_repair(int argc, char **argv);
int gs_cli_compact(int argc, char **argv);
int gs_cli_export(int argc, char **argv);
int gs_cli_import(int argc, char **argv);
int gs_cli_migrate(int argc, char **argv);

#endif
