complete -c kasm-recd -f
complete -c kasm-recd -n __fish_use_subcommand -a run -d 'be the daemon'
complete -c kasm-recd -n '__fish_seen_subcommand_from run' -l config -r -d 'settings file; \'\' for none (default: $KASM_RECD_CONFIG, else /etc/kasm-recd/kasm-recd.toml)'
complete -c kasm-recd -n '__fish_seen_subcommand_from run' -l socket -r -d 'admission socket (default: $KASM_RECD_SOCKET, else /run/kasm-recd/admission.sock)'
complete -c kasm-recd -n __fish_use_subcommand -a check-config -d 'say whether the settings are valid'
complete -c kasm-recd -n '__fish_seen_subcommand_from check-config' -l config -r -d 'settings file; \'\' for none (default: $KASM_RECD_CONFIG, else /etc/kasm-recd/kasm-recd.toml)'
complete -c kasm-recd -n '__fish_seen_subcommand_from check-config' -l json -d 'for scripts: one JSON object'
complete -c kasm-recd -n __fish_use_subcommand -a status -d 'queue, states, disk'
complete -c kasm-recd -n '__fish_seen_subcommand_from status' -l config -r -d 'settings file; \'\' for none (default: $KASM_RECD_CONFIG, else /etc/kasm-recd/kasm-recd.toml)'
complete -c kasm-recd -n '__fish_seen_subcommand_from status' -l socket -r -d 'admission socket (default: $KASM_RECD_SOCKET, else /run/kasm-recd/admission.sock)'
complete -c kasm-recd -n '__fish_seen_subcommand_from status' -l json -d 'for scripts: one JSON object'
complete -c kasm-recd -n __fish_use_subcommand -a drain -d 'take no more sessions and wait until all is stored'
complete -c kasm-recd -n '__fish_seen_subcommand_from drain' -l socket -r -d 'admission socket (default: $KASM_RECD_SOCKET, else /run/kasm-recd/admission.sock)'
complete -c kasm-recd -n '__fish_seen_subcommand_from drain' -l timeout -r -d '0: for ever'
complete -c kasm-recd -n __fish_use_subcommand -a journal -d 'make the journal again from the spool'
complete -c kasm-recd -n '__fish_seen_subcommand_from journal' -a rebuild -d 'make the journal again from the spool'
complete -c kasm-recd -n '__fish_seen_subcommand_from journal' -l config -r -d 'settings file; \'\' for none (default: $KASM_RECD_CONFIG, else /etc/kasm-recd/kasm-recd.toml)'
complete -c kasm-recd -n '__fish_seen_subcommand_from journal' -l json -d 'for scripts: one JSON object'
complete -c kasm-recd -n __fish_use_subcommand -a breaches -d 'sessions that were to be recorded, and were not'
complete -c kasm-recd -n '__fish_seen_subcommand_from breaches' -l config -r -d 'settings file; \'\' for none (default: $KASM_RECD_CONFIG, else /etc/kasm-recd/kasm-recd.toml)'
complete -c kasm-recd -n '__fish_seen_subcommand_from breaches' -l json -d 'for scripts: one JSON object'
complete -c kasm-recd -n __fish_use_subcommand -a settle -d 'a session\'s breaches are dealt with: take sessions again'
complete -c kasm-recd -n '__fish_seen_subcommand_from settle' -l socket -r -d 'admission socket (default: $KASM_RECD_SOCKET, else /run/kasm-recd/admission.sock)'
complete -c kasm-recd -n __fish_use_subcommand -a doctor -d 'what is wrong with this set-up, and how to mend it'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l config -r -d 'settings file; \'\' for none (default: $KASM_RECD_CONFIG, else /etc/kasm-recd/kasm-recd.toml)'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l socket -r -d 'admission socket (default: $KASM_RECD_SOCKET, else /run/kasm-recd/admission.sock)'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l json -d 'for scripts: one JSON object'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l guacd-user -r -d 'guacd\'s (default: the setting, else guacd)'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l daemon-user -r -d 'the daemon\'s'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l keep-days -r -d 'no lifecycle may delete sooner'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l cors -r -d 'only: may a player read clips?'
complete -c kasm-recd -n '__fish_seen_subcommand_from doctor' -l fix -d 'with --cors: set the bucket\'s rule'
complete -c kasm-recd -n __fish_use_subcommand -a policy -d 'the least rights in the bucket, and its CORS rule'
complete -c kasm-recd -n '__fish_seen_subcommand_from policy' -l config -r -d 'settings file; \'\' for none (default: $KASM_RECD_CONFIG, else /etc/kasm-recd/kasm-recd.toml)'
complete -c kasm-recd -n '__fish_seen_subcommand_from policy' -l origin -r
complete -c kasm-recd -n '__fish_seen_subcommand_from policy' -l only -x -a 'iam cors'
complete -c kasm-recd -n __fish_use_subcommand -a inspect -d 'what a recording holds, as JSON'
complete -c kasm-recd -n __fish_use_subcommand -a encode -d 'make a clip from a recording'
complete -c kasm-recd -n '__fish_seen_subcommand_from encode' -s o -l output -r
complete -c kasm-recd -n '__fish_seen_subcommand_from encode' -l encoder -x -a 'auto native guacenc'
complete -c kasm-recd -n '__fish_seen_subcommand_from encode' -l size -r
complete -c kasm-recd -n '__fish_seen_subcommand_from encode' -l framerate -r
complete -c kasm-recd -n '__fish_seen_subcommand_from encode' -l bitrate -r -d 'Mbit/s at most'
complete -c kasm-recd -n __fish_use_subcommand -a roll -d 'cut a recording into segments that play alone'
complete -c kasm-recd -n '__fish_seen_subcommand_from roll' -s o -l output -r
complete -c kasm-recd -n '__fish_seen_subcommand_from roll' -l segment-size -r
complete -c kasm-recd -n __fish_use_subcommand -a join -d 'put such segments together again'
complete -c kasm-recd -n '__fish_seen_subcommand_from join' -s o -l output -r
complete -c kasm-recd -n __fish_use_subcommand -a demo -d 'real recordings in, playable clips out'
complete -c kasm-recd -n '__fish_seen_subcommand_from demo' -l output -r
complete -c kasm-recd -n '__fish_seen_subcommand_from demo' -l recordings -r
complete -c kasm-recd -n __fish_use_subcommand -a punch-helper -d 'give disk back as guacd\'s user; started by kasm-recd-punch.socket'
complete -c kasm-recd -n '__fish_seen_subcommand_from punch-helper' -l recordings -r
complete -c kasm-recd -n '__fish_seen_subcommand_from punch-helper' -l peer -r -d 'who may give orders'
