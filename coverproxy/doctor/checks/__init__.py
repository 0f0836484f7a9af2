"""What the doctor looks at: each file a part of the installation, each check a finding with its advice."""
